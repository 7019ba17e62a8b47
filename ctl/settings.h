#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "ctl/command_line.h"

namespace serin::ctl {

inline constexpr const char* kDefaultConfig = "/etc/serin/serinctl.toml";
inline constexpr const char* kDefaultApi = "http://127.0.0.1:8420";
inline constexpr const char* kDefaultNats = "nats://127.0.0.1:4222";

/// Where the aggregator and NATS are, and how to be let in. A word on the command line wins over
/// the environment (SERIN_URL, SERIN_TOKEN), that over the configuration, that over the defaults.
struct Settings {
  std::string api = kDefaultApi;
  std::string token;  ///< empty: none
  std::vector<std::string> nats = {kDefaultNats};
  std::optional<std::filesystem::path> credentials;
};

/// Reads the configuration (`[api] url, token_file`, `[nats] url, credentials`) and the token. A
/// configuration that was named must be there.
Result<Settings> load_settings(const Common& common);

}  // namespace serin::ctl
