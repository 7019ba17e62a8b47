#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/core/view.h"
#include "common/error.h"

// The API's answers, read back into the views that the aggregator rendered. Texts are made plain:
// what a host says must not move a terminal's cursor.

namespace serin::ctl {

struct StatusAnswer {
  bool connected = false, caught_up = false;
  int64_t now_us = 0;
  std::string version;
  std::vector<std::pair<std::string, uint64_t>> counters;
  std::vector<std::string> warnings;
};
Result<StatusAnswer> read_status(const std::string& json);

Result<std::vector<core::ServiceView>> read_services(const std::string& json);
Result<std::vector<core::HostView>> read_hosts(const std::string& json);

struct DeploysAnswer {
  std::vector<core::DeployView> deploys;
  std::vector<std::string> each;  ///< the same deploys as they stood in the answer
  std::string next_cursor;        ///< empty at the end
};
Result<DeploysAnswer> read_deploys(const std::string& json);
Result<core::DeployView> read_deploy(const std::string& json);

/// One member of an answer, as JSON.
Result<std::string> member_text(const std::string& json, const char* key);

Result<std::vector<core::DrillView>> read_drills(const std::string& json);
Result<core::DrillView> read_drill(const std::string& json);

struct GateRead {
  std::string gate, text;
};
Result<GateRead> read_gate(const std::string& json);

struct ActRead {
  std::string id, deploy, kind;
};
Result<ActRead> read_act(const std::string& json);

}  // namespace serin::ctl
