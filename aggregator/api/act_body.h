#pragma once

#include <expected>
#include <string>

#include "aggregator/api/problem.h"

namespace serin::aggregator {

/// `{"reason":"…","host":"…"}`, both optional; an empty body is an empty object.
struct ActBody {
  std::string reason, host;
};

struct ActBodyError {
  std::string_view code;  ///< bad_request or unprocessable
  std::string detail;
  FieldErrors errors;
};
std::expected<ActBody, ActBodyError> parse_act_body(const std::string& text);

}  // namespace serin::aggregator
