#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/api/http.h"

namespace serin::aggregator {

using FieldErrors = std::vector<std::pair<std::string, std::string>>;

/// An `application/problem+json` answer. `code` is one of CONTRACTS §12 and gives status and title;
/// `target` is the request's. `detail` says what to do.
HttpResponse problem_response(std::string_view code, std::string detail, std::string_view target,
                              FieldErrors errors = {});

}  // namespace serin::aggregator
