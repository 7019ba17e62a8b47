#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace serin::aggregator {

/// A request target taken apart: "/a/b%20c?x=1" -> {"a", "b c"}, {{"x", "1"}}.
struct Target {
  std::vector<std::string> path;
  std::vector<std::pair<std::string, std::string>> query;
};

/// Refuses what does not begin with `/`, bad escapes, control characters (also escaped: `%00`),
/// bytes that are not UTF-8 and more than 2,048 bytes. An escaped `/` stays inside its part.
Result<Target> parse_target(std::string_view raw);

}  // namespace serin::aggregator
