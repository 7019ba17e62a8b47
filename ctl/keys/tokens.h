#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

namespace serin::ctl {

/// A token for the API. Only its SHA-256 is kept: the token itself is shown once.
struct NewToken {
  std::string name;
  std::string token;
  std::string role;
};

/// Adds a token to the aggregator's tokens file (made with mode 0600 where there is none), beside
/// those that it holds. `name` says who acts, as it will stand in the audit; it must be new in the
/// file. An empty name becomes `<role>-<n>`.
Result<NewToken> add_token(const std::filesystem::path& file, const std::string& role,
                           std::string name);

/// Random bytes in hex, from OpenSSL's generator.
std::string random_hex(size_t bytes);

}  // namespace serin::ctl
