#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/program.h"
#include "common/log.h"

namespace {

constexpr int kFailed = 1, kUsage = 64;

int failed(const serin::Error& error) {
  fmt::print(stderr, "serin-agent: {}\n", error.message);
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  serin::agent::Places places;
  std::string level = "info";
  CLI::App app{"Samples the services of this host and reports them to Serin's aggregator."};
  app.add_option("--config", places.config, "configuration of the agent")->capture_default_str();
  app.add_option("--services", places.services, "folder with a file for each service")
      ->capture_default_str();
  app.add_option("--log-level", level, "debug, info, warning or error")->capture_default_str();
  app.set_version_flag("--version", SERIN_VERSION);
  app.require_subcommand(0, 1);
  auto* check =
      app.add_subcommand("check", "look once, say what is seen and whether a rollback would work");
  check->fallthrough();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  auto threshold = serin::log::level_from(level);
  if (!threshold) return failed(threshold.error()), kUsage;
  serin::log::set_up("serin-agent", *check ? serin::log::Level::error : *threshold);
  if (*check) {
    auto good = serin::agent::run_check(places);
    return good ? (*good ? 0 : kFailed) : failed(good.error());
  }
  auto ran = serin::agent::run_agent(places);
  return ran ? 0 : failed(ran.error());
}
