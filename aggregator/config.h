#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/api/listen.h"
#include "aggregator/bus/bus.h"
#include "aggregator/notify/notifier.h"
#include "common/config.h"
#include "common/error.h"
#include "schema/policy.h"

namespace serin::aggregator {

/// aggregator.toml. Secrets stand in files of their own, which are read here.
struct AggregatorConfig {
  Bus::Options bus;
  ListenAddress listen;
  std::optional<std::filesystem::path> tokens;
  std::string public_url;  ///< without a slash at its end; empty: no links
  std::filesystem::path state_dir = "/var/lib/serin/aggregator";
  std::filesystem::path signing_key = "/etc/serin/signing.key";
  PolicySet policies;
  std::vector<Sink> sinks;
};

/// All problems at once, one per line, with file, line and the nearest known key.
Result<AggregatorConfig> load_aggregator_config(const std::filesystem::path& file);

}  // namespace serin::aggregator
