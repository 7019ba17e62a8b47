#pragma once

#include <string>

#include "agent/rollback/clock.h"
#include "agent/rollback/settings.h"
#include "schema/messages.h"

namespace serin::helper {

/// Adds to a status what it says about readiness: whether a rollback of what runs now would be
/// accepted and to where, the last drill, the dead-man, what is confirmed. The target is this
/// host's guess: the release (or package in apt's cache) that changed last, of those that are
/// loadable and that no signed command rolled back; where neither is known, the version that was
/// confirmed last. Looks as
/// closely as when a command arrives (CONTRACTS §8), so not to be asked while one is carried out.
void add_readiness(HelperReply& reply, const std::string& service, const Settings& settings,
                   const Clock& clock);

}  // namespace serin::helper
