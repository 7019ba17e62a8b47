#pragma once

#include <algorithm>
#include <string_view>

namespace serin::agent {

/// Calls back with each line of `text`, without its end.
template <typename Each>
void each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace serin::agent
