#pragma once

#include "agent/rollback/attempt.h"

namespace serin::helper {

/// Tries the actions of the service's file one after the other, from wherever the journal stands;
/// the text of the first that worked, or why none did.
Result<std::string> try_actions(const ActionContext& context, int64_t run_deadline_boot_us);

/// Whether anything may have been changed by an action of the list. A link that was about to be
/// switched and was not is no change.
bool changed_anything(const Record& record);

/// The last word, and to done/ with it.
Result<void> finish(Journal& journal, std::string_view word, std::string_view text);

}  // namespace serin::helper
