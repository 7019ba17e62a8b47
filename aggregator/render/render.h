#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/core/fold.h"

// The fold's views as JSON texts, field by field as view.h names them, without `_us`. Times are RFC
// 3339 in UTC with microseconds, null for never; an empty optional word is null; an interval is in
// seconds; enums go by their names. No number is ever NaN or infinite.

namespace serin::render {

std::string services(const std::vector<core::ServiceView>& views);
std::string hosts(const std::vector<core::HostView>& views);
/// `next_cursor` is the id to continue after, null at the end.
std::string deploys(const std::vector<core::DeployView>& views,
                    const std::optional<std::string>& next_cursor);
/// Everything but the metrics' series.
std::string deploy(const core::DeployView& view);
/// The metrics with their series.
std::string evidence(const core::DeployView& view);
std::string timeline(const core::DeployView& view);

std::string drills(const std::vector<core::DrillView>& views);
std::string drill(const core::DrillView& view);

std::string gate(const core::Fold::GateAnswer& answer);

struct Status {
  bool connected = false, caught_up = false;
  int64_t now_us = 0;
  std::vector<std::pair<std::string, uint64_t>> counters;
  std::string version;
  /// What is wrong right now, in sentences; empty when all is well.
  std::vector<std::string> warnings;
};
std::string status(const Status& status);

struct ActAnswer {
  std::string id, deploy, kind;
  int64_t accepted_us = 0;
};
std::string act(const ActAnswer& answer);

/// RFC 9457. `code` is one of CONTRACTS §12.
struct Problem {
  int status = 500;
  std::string code = "internal";
  std::string title, detail, instance;
  std::vector<std::pair<std::string, std::string>> errors;  ///< field, message
};
std::string problem(const Problem& problem);

/// The body of a `webhook` and of a `slack` notification. `link` may be empty.
std::string webhook_body(const core::Notification& notification, const std::string& link);
std::string slack_body(const core::Notification& notification, const std::string& link);

/// The one object of `serinctl replay --format json` (CONTRACTS §12). Times in seconds of the
/// capture's clock.
struct Replay {
  struct Deploy {
    core::DeployView view;
    std::string file;
  };
  struct Skipped {
    std::string file;
    uint64_t line = 0;
    std::string error;
  };
  std::vector<Deploy> deploys;
  uint64_t lines = 0;
  std::vector<Skipped> skipped;
};
std::string replay(const Replay& replay);

}  // namespace serin::render
