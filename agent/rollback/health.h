#pragma once

#include <cstdint>
#include <string>

#include "common/error.h"

namespace serin::helper {

/// One GET: fine when it answers 2xx within the time. No redirects, no proxy, http and https only;
/// the body is not kept. Errors say what came instead. Blocks; for the action only.
Result<void> check_health(const std::string& url, int64_t timeout_us);

}  // namespace serin::helper
