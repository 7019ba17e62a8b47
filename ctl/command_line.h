#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ctl/console.h"
#include "ctl/exit_status.h"

namespace serin::ctl {

enum class Output { table, json };

/// What may stand before or after every subcommand.
struct Common {
  std::optional<std::filesystem::path>
      config;  ///< absent: /etc/serin/serinctl.toml, if it is there
  std::optional<std::string> api;
  std::optional<std::filesystem::path> token_file;
  Output output = Output::table;
};

struct KeysInit {
  std::filesystem::path file = "/etc/serin/signing.key";
};
struct KeysShow {
  std::filesystem::path file = "/etc/serin/signing.key";
};
struct KeysToken {
  std::string role, name;
  std::filesystem::path file = "/etc/serin/tokens.toml";
};

using Command = std::variant<KeysInit, KeysShow, KeysToken>;

struct Invocation {
  Common common;
  Command command;
};

/// Reads the words of a command line. After `--help` or a mistake everything has been said on the
/// console, and the exit status is returned instead.
std::expected<Invocation, Exit> parse(int argc, const char* const* argv, Console& console);

}  // namespace serin::ctl
