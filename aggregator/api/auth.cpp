#include "aggregator/api/auth.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>

#include "common/config.h"
#include "common/ids.h"
#include "schema/limits.h"
#include "schema/text.h"

namespace serin::aggregator {

namespace {

std::optional<Role> role_from(std::string_view text) {
  if (text == "viewer") return Role::viewer;
  if (text == "operator") return Role::operator_;
  if (text == "admin") return Role::admin;
  return std::nullopt;
}

bool is_sha256(std::string_view text) {
  constexpr size_t kHexDigits = 64;
  return text.size() == kHexDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_bearer(std::string_view scheme) {
  constexpr std::string_view kBearer = "bearer";
  return std::ranges::equal(scheme, kBearer, [](char a, char b) { return (a | 0x20) == b; });
}

}  // namespace

Result<Auth> Auth::load(const std::filesystem::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(
        fmt::format("{}: may be written by others than its owner; chmod 0600 it", file.string()));
  }
  auto root = ConfigTable::parse_file(file);
  if (!root) return std::unexpected(root.error());
  Auth auth;
  for (ConfigTable& table : root->tables("token")) {
    Token token;
    token.identity.name = table.string("name").value_or("");
    if (token.identity.name.empty()) table.missing("name", "who acts, as it stands in the audit");
    if (token.identity.name.size() > limits::kNameBytes || !is_plain_text(token.identity.name)) {
      table.problem("name", "must be plain text of at most 128 bytes");
    }
    const auto same_name = [&](const Token& other) {
      return other.identity.name == token.identity.name;
    };
    if (std::ranges::any_of(auth.tokens_, same_name))
      table.problem("name", "stands twice in this file");
    const std::string role = table.string("role").value_or("viewer");
    if (auto known = role_from(role))
      token.identity.role = *known;
    else
      table.problem("role", "must be \"viewer\", \"operator\" or \"admin\"");
    token.sha256 = table.string("sha256").value_or("");
    if (!is_sha256(token.sha256)) {
      table.problem(
          "sha256",
          "must be 64 hexadecimal digits in lower case: `serinctl keys token` prints them");
    }
    auth.tokens_.push_back(std::move(token));
  }
  if (auth.tokens_.empty())
    root->missing("token", "at least one [[token]], or no tokens file at all");
  if (auto finished = root->finish(); !finished) return std::unexpected(finished.error());
  return auth;
}

std::optional<Auth::Identity> Auth::identify(std::string_view authorization) const {
  const size_t blank = authorization.find(' ');
  if (blank == std::string_view::npos || !is_bearer(authorization.substr(0, blank)))
    return std::nullopt;
  std::string_view secret = authorization.substr(blank + 1);
  while (secret.starts_with(' ')) secret.remove_prefix(1);
  if (secret.empty()) return std::nullopt;
  const std::string digest = hex(sha256(as_bytes(secret)));
  const Token* found = nullptr;
  for (const Token& token : tokens_) {
    if (equal_secret(token.sha256, digest)) found = &token;  // no early end
  }
  if (found == nullptr) return std::nullopt;
  return found->identity;
}

}  // namespace serin::aggregator
