#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "aggregator/core/effects.h"
#include "common/error.h"

namespace serin::aggregator {

/// A message of SERIN_INPUT, read. What it says of itself must be what its subject says, since
/// permissions guard the subject alone: a host cannot speak for another.
Result<std::variant<Sample, Event, Control>> read_input_body(std::string_view subject,
                                                             std::span<const uint8_t> payload);

/// The subject of a control message.
std::string subject_of(const Control& control);

}  // namespace serin::aggregator
