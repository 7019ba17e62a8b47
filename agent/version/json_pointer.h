#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace serin::agent {

/// What a JSON pointer (RFC 6901) leads to in a JSON text: a text, or a number as it is written.
/// Errors say where the way ends, or where the text is no JSON.
Result<std::string> text_at(std::string_view json, std::string_view pointer);

}  // namespace serin::agent
