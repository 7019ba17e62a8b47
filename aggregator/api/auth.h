#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace serin::aggregator {

enum class Role { viewer, operator_, admin };  ///< each may do what those before it may

/// Who may do what: the tokens of tokens.toml, of which only SHA-256 is known. Without that file
/// anyone on loopback may read and nobody may act.
class Auth {
 public:
  struct Identity {
    std::string name;
    Role role = Role::viewer;
  };

  static Auth without_tokens() { return Auth(); }
  /// `[[token]] name, role = "viewer" | "operator" | "admin", sha256 = "<64 hex digits>"`.
  static Result<Auth> load(const std::filesystem::path& file);

  [[nodiscard]] bool has_tokens() const { return !tokens_.empty(); }
  /// The owner of the token in an Authorization header ("Bearer …"). Takes the same time for every
  /// wrong token.
  [[nodiscard]] std::optional<Identity> identify(std::string_view authorization) const;

 private:
  struct Token {
    Identity identity;
    std::string sha256;
  };
  std::vector<Token> tokens_;
};

}  // namespace serin::aggregator
