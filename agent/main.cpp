#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "agent/program.h"
#include "common/log.h"

namespace {

using namespace serin;
using namespace serin::agent;

constexpr int kFailed = 1, kUsage = 64;

int failed(const Error& error) {
  fmt::print(stderr, "serin-agent: {}\n", error.message);
  return kFailed;
}

int status_of(const Result<bool>& good) {
  if (!good) return failed(good.error());
  return *good ? 0 : kFailed;
}

int status_of(const Result<void>& done) {
  return done ? 0 : failed(done.error());
}

/// The words of the command line, by verb.
struct CommandLine {
  Places places;
  std::string level = "info";
  std::string output = "text", only_unit, write_to;
  bool probe = false, all = false, once = false, json = false;
  CLI::App app{"Samples the services of this host and reports them to Serin's aggregator."};
  CLI::App *check = nullptr, *discover = nullptr, *top = nullptr;

  CommandLine() {
    app.add_option("--config", places.config, "configuration of the agent")->capture_default_str();
    app.add_option("--services", places.services, "folder with a file for each service")
        ->capture_default_str();
    app.add_option("--log-level", level, "debug, info, warning or error")->capture_default_str();
    app.set_version_flag("--version", SERIN_VERSION);
    app.require_subcommand(0, 1);
    check = app.add_subcommand("check",
                               "look once, say what is seen and whether a rollback would work");
    check->add_option("--output", output, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    discover = app.add_subcommand("discover", "propose a service file for each unit that listens");
    discover->add_option("--write", write_to, "write the files into this folder; overwrites none");
    discover->add_option("--unit", only_unit, "this unit alone");
    discover->add_flag("--probe", probe, "ask their ports, by HTTP, for /metrics and /healthz");
    discover->add_flag("--all", all, "also units that belong to every host, as ssh");
    top = app.add_subcommand("top", "show live what the running agent sends");
    top->add_flag("--once", once, "one look");
    top->add_flag("--json", json, "the messages themselves, one a line")->excludes("--once");
    for (auto* verb : {check, discover, top}) verb->fallthrough();
  }
};

int run_verb(const CommandLine& line) {
  if (*line.check)
    return status_of(run_check(line.places, line.output == "json" ? Output::json : Output::text));
  if (*line.discover) {
    using Infrastructure = ScanOptions::Infrastructure;
    using Ports = DiscoverOptions::Ports;
    DiscoverOptions options{
        .ports = line.probe ? Ports::asked : Ports::left_alone,
        .infrastructure = line.all ? Infrastructure::included : Infrastructure::left_out,
        .only_unit = line.only_unit,
        .services = line.places.services};
    std::optional<std::filesystem::path> folder;
    if (!line.write_to.empty()) folder = line.write_to;
    return status_of(run_discover(options, folder));
  }
  if (*line.top) {
    using Show = TopOptions::Show;
    std::signal(SIGPIPE, SIG_IGN);
    const Show show = line.json ? Show::lines : line.once ? Show::once : Show::redrawn;
    return status_of(run_top(line.places, {.show = show}));
  }
  return status_of(run_agent(line.places));
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return line.app.exit(error) == 0 ? 0 : kUsage;
  }
  auto threshold = log::level_from(line.level);
  if (!threshold) return failed(threshold.error()), kUsage;
  const bool speaks = *line.check || *line.discover || *line.top;
  log::set_up("serin-agent", speaks ? log::Level::error : *threshold);
  return run_verb(line);
}
