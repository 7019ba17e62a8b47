#include <fmt/core.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "agent/rollback/settings.h"
#include "agent/rollback/trust.h"
#include "common/config.h"
#include "common/ids.h"

namespace serin::helper {
namespace {

constexpr const char* kDefaultConfig = "/etc/serin/rollback.toml";

/// What stands on the command line; empty where it does not.
struct Given {
  std::string config, services, keys, state, hold, host, systemctl;
  std::vector<uid_t> peers;
};

void take(ConfigTable& table, std::string_view key, std::filesystem::path& into) {
  const auto value = table.string(key);
  if (!value) return;
  if (std::filesystem::path(*value).is_absolute())
    into = *value;
  else
    table.problem(key, "must be an absolute path");
}

Result<void> read_config(const std::filesystem::path& file, Settings& settings) {
  if (auto owned = check_owned_file(file); !owned) return owned;
  auto table = ConfigTable::parse_file(file);
  if (!table) return std::unexpected(table.error());
  take(*table, "services", settings.services);
  take(*table, "keys", settings.keys);
  take(*table, "state", settings.state);
  take(*table, "hold", settings.hold);
  take(*table, "systemctl", settings.systemctl);
  if (auto host = table->string("host")) settings.host = *host;
  if (auto uid = table->integer("peer_uid", 0, UINT32_MAX - 1)) {
    settings.peers.push_back(static_cast<uid_t>(*uid));
  }
  return table->finish();
}

void take_given(const Given& given, Settings& settings) {
  const auto path = [](const std::string& text, std::filesystem::path& into) {
    // Absolute, as the action is started elsewhere.
    if (!text.empty()) into = std::filesystem::absolute(text).lexically_normal();
  };
  path(given.services, settings.services);
  path(given.keys, settings.keys);
  path(given.state, settings.state);
  path(given.hold, settings.hold);
  path(given.systemctl, settings.systemctl);
  if (!given.host.empty()) settings.host = given.host;
  settings.peers.insert(settings.peers.end(), given.peers.begin(), given.peers.end());
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  std::string host(name.data());
  std::ranges::transform(host, host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return host;
}

Result<Settings> settle(const Given& given) {
  Settings settings;
  std::error_code error;
  const bool there = std::filesystem::exists(kDefaultConfig, error);
  const std::string config = !given.config.empty() ? given.config : there ? kDefaultConfig : "";
  if (!config.empty()) {
    if (auto read = read_config(config, settings); !read) return std::unexpected(read.error());
  }
  take_given(given, settings);
  if (settings.host.empty()) settings.host = host_name();
  if (!is_host_id(settings.host))
    return fail("host: not a host id (1-64 bytes without control characters)");
  if (const auto* user = ::getpwnam("serin"); user != nullptr)
    settings.peers.push_back(user->pw_uid);
  return settings;
}

}  // namespace

std::optional<Invocation> read_invocation(int argc, const char* const* argv, int& status) {
  CLI::App app(
      "Serin's root helper: carries out signed rollback commands with the actions that root "
      "configured.",
      "serin-rollback");
  Given given;
  std::string socket;
  std::string run;
  bool resume = false;
  app.set_version_flag("--version", "serin-rollback " SERIN_VERSION);
  app.add_option("--config", given.config,
                 "configuration file (default: /etc/serin/rollback.toml where there is one)");
  app.add_option("--services", given.services, "folder of service files");
  app.add_option("--keys", given.keys, "folder of trusted public keys");
  app.add_option("--state", given.state, "folder of the journal");
  app.add_option("--hold", given.hold,
                 "folder in which `hold` and `hold.d/SERVICE` stop every action");
  app.add_option("--host", given.host, "this host's id (default: its name in lower case)");
  app.add_option("--peer-uid", given.peers,
                 "a user that may speak, beside root, serin and our own");
  app.add_option("--systemctl", given.systemctl, "the program that restarts units");
  auto* listen = app.add_option("--listen", socket, "listen at this unix socket");
  auto* action =
      app.add_option("--run", run, "carry out what is pending for this service, then end");
  auto* again = app.add_flag("--resume", resume, "continue everything that is pending, then end");
  listen->excludes(action)->excludes(again);
  action->excludes(again);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    status = app.exit(error) == 0 ? 0 : 64;
    return std::nullopt;
  }
  auto settings = settle(given);
  if (!settings || (!run.empty() && !is_service_name(run))) {
    fmt::print(stderr, "serin-rollback: {}\n",
               settings ? "--run: not a service name" : settings.error().message);
    status = 64;
    return std::nullopt;
  }
  using Task = Invocation::Task;
  const Task task = !run.empty() ? Task::run : resume ? Task::resume : Task::listen;
  return Invocation{
      .task = task, .socket = socket, .service = run, .settings = std::move(*settings)};
}

std::vector<std::string> arguments_of(const Settings& settings) {
  std::vector<std::string> words{
      "--services", settings.services, "--keys", settings.keys, "--state",     settings.state,
      "--hold",     settings.hold,     "--host", settings.host, "--systemctl", settings.systemctl};
  return words;
}

}  // namespace serin::helper
