#pragma once

#include <optional>

#include "agent/rollback/attempt.h"
#include "agent/rollback/conditions.h"

// A drill goes to the version that a rollback would go to, and back again, by the same actions and
// in the same journal. Words of the way back begin with "back_"; between the two stands "turned".

namespace serin::helper {

struct DrillLimits {
  int64_t deadline_boot_us = 0;
  bool give_up_there = false;  ///< the way there was interrupted too often: only back from here
};

/// From wherever the journal stands: there, then back whatever came of that, unless nothing was
/// changed. Ends with `drilled`, or with `failed` and what became of both ways.
Result<void> perform_drill(const ActionContext& context, const DrillLimits& limits);

/// Both ways must be possible, and something must run that can be come back to.
Judged<void> check_drill(const Command& command, const ServiceFile& service,
                         const Settings& settings, const Clock& clock);

/// The same command the other way round. What is gone back to runs now: nothing that it did is
/// undone.
Command way_back(const Command& drill);

/// The last drill of a service that ended well.
struct Rehearsal {
  double seconds = 0;   ///< from accepted to verified, as a rollback would have taken
  int64_t wall_us = 0;  ///< when it ended
};
/// Nullopt when there was none, or it cannot be read.
std::optional<Rehearsal> last_rehearsal(const std::filesystem::path& state,
                                        const std::string& service);

}  // namespace serin::helper
