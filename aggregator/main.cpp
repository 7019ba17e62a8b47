#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "aggregator/config.h"
#include "aggregator/run.h"
#include "common/log.h"

namespace {

constexpr int kFailed = 1, kUsage = 64;

int failed(const serin::Error& error, int status = kFailed) {
  fmt::print(stderr, "serin-aggregator: {}\n", error.message);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path config = "/etc/serin/aggregator.toml";
  std::string level = "info";
  bool check = false;
  CLI::App app{
      "Compares the hosts on a new release with the rest of the fleet, and rolls back what is "
      "worse."};
  app.add_option("--config", config, "configuration of the aggregator")->capture_default_str();
  app.add_option("--log-level", level, "debug, info, warning or error")->capture_default_str();
  app.add_flag("--check", check, "read the configuration, say what is wrong with it, and leave");
  app.set_version_flag("--version", SERIN_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  const auto threshold = serin::log::level_from(level);
  if (!threshold) return failed(threshold.error(), kUsage);
  serin::log::set_up("serin-aggregator", *threshold);
  if (check) {
    const auto loaded = serin::aggregator::load_aggregator_config(config);
    return loaded ? 0 : failed(loaded.error());
  }
  const auto ran = serin::aggregator::run_aggregator(config);
  return ran ? 0 : failed(ran.error());
}
