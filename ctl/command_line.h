#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ctl/console.h"
#include "ctl/exit_status.h"
#include "schema/messages.h"

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

struct StatusCommand {};
struct DeploysCommand {
  std::string service, state;  ///< empty: all
  size_t limit = 20;
};
struct HostsCommand {
  std::string service;
};
struct ExplainCommand {
  std::string deploy;  ///< an id, or service@version
};
struct WatchCommand {
  std::string deploy;
};
struct ActCommand {
  Act act = Act::rollback;
  std::string deploy, host, reason;
};
/// declare (whether it can be undone), or absolve.
struct VersionCommand {
  std::string what;                  ///< service@version
  bool absolve = false;
  std::optional<bool> irreversible;  ///< declare: which of both
  std::string reason;
};
struct DrillCommand {
  std::string host, service, reason;
  bool wait = false;  ///< for its end
};
struct DrillsCommand {
  std::string service;  ///< empty: all
};
struct GateCommand {
  std::string what;   ///< service@version
  std::string stage;  ///< an index from 0 on, or a stage as the policy writes it ("5%")
  double wait_seconds = 0;
};
struct PolicyCheck {
  std::filesystem::path file;
};
struct RecordCommand {
  std::string out = "-";  ///< standard output
  std::vector<std::string> nats;
  std::optional<std::filesystem::path> credentials;
  bool from_start = false, until_idle = false;
  std::optional<double> seconds;
};
struct ReplayCommand {
  std::vector<std::string> files;
  std::optional<std::filesystem::path> policy;
  bool together = false;
  bool explain = false;   ///< every deploy, however many there are
  bool progress = false;  ///< also where standard error is no terminal
};

using Command = std::variant<StatusCommand, DeploysCommand, HostsCommand, ExplainCommand,
                             WatchCommand, ActCommand, VersionCommand, DrillCommand,
                             DrillsCommand, GateCommand, PolicyCheck, RecordCommand,
                             ReplayCommand, KeysInit, KeysShow, KeysToken>;

struct Invocation {
  Common common;
  Command command;
};

/// Reads the words of a command line. After `--help` or a mistake everything has been said on the
/// console, and the exit status is returned instead.
std::expected<Invocation, Exit> parse(int argc, const char* const* argv, Console& console);

}  // namespace serin::ctl
