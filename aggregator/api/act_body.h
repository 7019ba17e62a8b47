#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "aggregator/api/problem.h"

namespace serin::aggregator {

/// `{"reason":"…"}` and what else the act takes; an empty body is an empty object.
struct ActBody {
  std::string reason, host, service;
  std::optional<bool> irreversible;
};

struct ActBodyError {
  std::string_view code;  ///< bad_request or unprocessable
  std::string detail;
  FieldErrors errors;
};
/// `known`: the fields that the act takes, all optional here.
std::expected<ActBody, ActBodyError> parse_act_body(const std::string& text,
                                                    std::span<const std::string_view> known);

}  // namespace serin::aggregator
