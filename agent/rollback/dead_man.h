#pragma once

#include "agent/rollback/attempt.h"
#include "agent/rollback/conditions.h"

// The one thing that happens on a host without a signature, and only where root's file of the
// service holds [dead_man]. The agent's word that it is cut off starts it; nothing else of what the
// agent says is believed.

namespace serin::helper {

/// The command that nobody signed: from the version that is there now, which is new and which
/// nobody has confirmed, back to the one that was confirmed last and is still there. Refused where
/// root does not allow it, somebody holds the host, the version is not new, has not had the time
/// that the file gives it to become healthy, is confirmed, or cannot be gone back from. Its id is
/// the same whenever it is about the same version.
Judged<Command> check_dead_man(const ServiceFile& service, const Settings& settings,
                               const Clock& clock);

/// Looks for up to 10 s: fine, and how that was seen, once the unit has failed, or the health URL
/// (where there is none, the process) was missing five times in a row. An error as soon as it was
/// seen well, or stopped on purpose. Blocks; for the action only.
Result<std::string> see_it_fail(const ServiceFile& service, const Settings& settings,
                                const Clock& clock);

/// In the action: looks, and takes up the case (step `accepted`) or drops it without a trace. False
/// when it was dropped.
Result<bool> take_up_dead_man(const ActionContext& context, size_t runs);

}  // namespace serin::helper
