#include "ctl/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "common/config.h"
#include "common/file.h"

namespace serin::ctl {
namespace {

constexpr size_t kMostTokenBytes = 4096;

struct Configured {
  Settings settings;
  std::optional<std::filesystem::path> token_file;
};

Result<Configured> read_config(const Common& common) {
  Configured read;
  const std::filesystem::path file = common.config.value_or(kDefaultConfig);
  std::error_code ignored;
  if (!common.config && !std::filesystem::exists(file, ignored)) return read;
  auto root = ConfigTable::parse_file(file);
  if (!root) return std::unexpected(root.error());
  if (auto api = root->table("api")) {
    read.settings.api = api->string("url").value_or(kDefaultApi);
    if (auto path = api->string("token_file")) read.token_file = *path;
  }
  if (auto nats = root->table("nats")) {
    read.settings.nats = nats->strings("url").value_or(read.settings.nats);
    if (auto path = nats->string("credentials")) read.settings.credentials = *path;
  }
  if (auto finished = root->finish(); !finished) return std::unexpected(finished.error());
  return read;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// A token as it travels in a header: visible ASCII, the blanks and line ends around it taken off.
Result<std::string> token_from(std::string text, std::string_view where) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == text.npos) return fail(fmt::format("{} holds no token", where));
  text = text.substr(first, text.find_last_not_of(kBlank) - first + 1);
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return fail(fmt::format("{} holds something that is not one token", where));
  }
  return text;
}

Result<std::string> read_token(const std::filesystem::path& file) {
  auto text = read_file(file, kMostTokenBytes);
  if (!text) return std::unexpected(text.error());
  return token_from(std::move(*text), file.native());
}

}  // namespace

Result<Settings> load_settings(const Common& common) {
  auto configured = read_config(common);
  if (!configured) return std::unexpected(configured.error());
  Settings settings = std::move(configured->settings);
  const std::string url = environment("SERIN_URL");
  if (common.api) {
    settings.api = *common.api;
  } else if (!url.empty()) {
    settings.api = url;
  }
  while (settings.api.ends_with('/')) settings.api.pop_back();

  Result<std::string> token = std::string();
  if (common.token_file) {
    token = read_token(*common.token_file);
  } else if (std::string text = environment("SERIN_TOKEN"); !text.empty()) {
    token = token_from(std::move(text), "the environment's SERIN_TOKEN");
  } else if (configured->token_file) {
    token = read_token(*configured->token_file);
  }
  if (!token) return std::unexpected(token.error());
  settings.token = std::move(*token);
  return settings;
}

}  // namespace serin::ctl
