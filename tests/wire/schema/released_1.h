#pragma once

#include "schema/messages.h"

// The messages behind the golden buffers in tests/wire/golden/1. They say what those bytes mean,
// for ever: a field that is added to a message later keeps its default here, and nothing else here
// may change.

namespace serin::test::released_1 {

Sample sample();
Event event();
Control control();
Command command();
SignedCommand signed_command();
Decision decision();
HelperRequest helper_request();
HelperReply helper_reply();

}  // namespace serin::test::released_1
