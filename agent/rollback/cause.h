#pragma once

#include <optional>
#include <string>

#include "schema/messages.h"

namespace serin::agent {

/// Why a version starts while the helper does this: nullopt where that is not what leads there. A
/// drill leads to both versions, one after the other.
inline std::optional<Cause> cause_of_start(HelperTask task, const std::string& condemned,
                                           const std::string& target, const std::string& version) {
  if (version.empty()) return std::nullopt;
  if (task == HelperTask::drill && version == condemned) return Cause::drill;
  if (version != target) return std::nullopt;
  switch (task) {
    case HelperTask::rollback:
      return Cause::rollback;
    case HelperTask::drill:
      return Cause::drill;
    case HelperTask::dead_man:
      return Cause::dead_man;
  }
  return std::nullopt;
}

}  // namespace serin::agent
