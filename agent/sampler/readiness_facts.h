#pragma once

#include "agent/facts/fact_book.h"
#include "schema/messages.h"

namespace serin::agent {

/// What the helper says of a rollback of this service, as facts: `rollback.ready` ("yes", or
/// "no: why"), `rollback.target`, `rollback.rehearsed_seconds`, `rollback.rehearsed_at` (RFC 3339),
/// `dead_man.seconds` and `dead_man.confirmed`. A helper that does not answer is not ready.
void tell_readiness(FactBook& facts, const Result<HelperReply>& status);

}  // namespace serin::agent
