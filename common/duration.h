#pragma once

#include <string_view>

#include "common/error.h"

namespace serin {

/// "250ms", "45s", "10m", "2h", "1d", also "1.5h": seconds. The error says how a duration is
/// written.
Result<double> parse_duration(std::string_view text);

/// "10%" or "2.5%", from 0 to 100: a share in [0, 1].
Result<double> parse_percent(std::string_view text);

}  // namespace serin
