#pragma once

#include <string>
#include <string_view>

#include "aggregator/core/judge/warmup.h"
#include "common/error.h"

namespace serin::core {

/// A profile as it stands in the audit and in captures: six significant digits, so that whoever
/// reads it again judges by the very same numbers.
std::string to_json(const judge::WarmupProfile& profile);
Result<judge::WarmupProfile> warmup_from_json(std::string_view json);

}  // namespace serin::core
