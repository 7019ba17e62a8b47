#pragma once

#include <string>

#include "ctl/api/client.h"

namespace serin::ctl {

/// What an answer other than 200 and 202 means: its problem document (RFC 9457) in a person's
/// words, and the exit status that belongs to it.
Refusal refusal_from(long status, const std::string& body, const std::string& api);

}  // namespace serin::ctl
