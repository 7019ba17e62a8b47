#pragma once

#include "schema/messages.h"

// What a message must mean to be believed, whichever way it came: names, lengths, finite numbers,
// consistent counts. The error names the field.

namespace serin {

/// Where a message came from. Captures may lack what only live agents know: boot ids, sequences.
enum class Origin : uint8_t { wire, capture };

Result<void> check(const Sample&, Origin);
Result<void> check(const Event&, Origin);
Result<void> check(const Control&, Origin);
Result<void> check(const Command&);
Result<void> check(const SignedCommand&);
Result<void> check(const Decision&);
Result<void> check(const HelperRequest&);
Result<void> check(const HelperReply&);

/// Names that belong to the process's own metrics: no counter or gauge may take them.
bool is_process_metric(std::string_view name);

}  // namespace serin
