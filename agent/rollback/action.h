#pragma once

#include <string>

#include "agent/rollback/clock.h"
#include "agent/rollback/observer.h"
#include "agent/rollback/settings.h"
#include "common/error.h"

namespace serin::helper {

/// Carries out what is pending for a service, from wherever its journal stands: the actions of the
/// service's file in order until one has put the target back, within 14 minutes. Fine when there is
/// nothing to do or when another action is at it; an error when the journal cannot be kept, so that
/// nothing more was done. What came of it stands in the journal. Blocks; runs in a process of its
/// own (`--run`).
Result<void> run_action(const std::string& service, const Settings& settings, const Clock& clock,
                        StepObserver& observer);

}  // namespace serin::helper
