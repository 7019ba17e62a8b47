#pragma once

#include <string>
#include <utility>
#include <vector>

#include "schema/capture.h"
#include "schema/wire.h"
#include "tests/wire/schema/released_1.h"

// Which golden file holds which message. A buffer stands there in hex, 32 bytes a line; a capture
// as its lines.

namespace serin::test::golden {

template <typename Visit>
void each_message(Visit visit) {
  visit("sample", released_1::sample(), wire::decode_sample);
  visit("event", released_1::event(), wire::decode_event);
  visit("control", released_1::control(), wire::decode_control);
  visit("command", released_1::command(), wire::decode_command);
  visit("signed_command", released_1::signed_command(), wire::decode_signed);
  visit("decision", released_1::decision(), wire::decode_decision);
  visit("helper_request", released_1::helper_request(), wire::decode_helper_request);
  visit("helper_reply", released_1::helper_reply(), wire::decode_helper_reply);
}

inline std::vector<capture::Line> capture_lines() {
  return {{.stored_us = 1'790'000'000'125'000, .seq = 1, .body = released_1::sample()},
          {.stored_us = 1'790'000'000'130'000, .seq = 2, .body = released_1::event()},
          {.stored_us = 1'790'000'000'140'000, .seq = 3, .body = released_1::control()}};
}

}  // namespace serin::test::golden
