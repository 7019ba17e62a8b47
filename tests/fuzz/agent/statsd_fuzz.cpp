#include <cmath>
#include <cstdint>
#include <string_view>

#include "agent/request/statsd_line.h"
#include "common/error.h"
#include "common/metric_selector.h"

// The first line of the input is a selector, each further one a line of statsd.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t end = text.find('\n');
  auto selector = serin::MetricSelector::parse(text.substr(0, end));
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find('\n');
    auto line = serin::agent::parse_statsd(text.substr(0, end));
    if (!line) continue;
    SERIN_VERIFY(!line->name.empty() && line->rate > 0 && line->rate <= 1);
    if (selector) (void)selector->matches(line->name, [&](auto label) { return line->tag(label); });
    for (std::string_view values = line->values; !values.empty();) {
      auto value = serin::agent::next_value(values);
      if (value) SERIN_VERIFY(std::isfinite(value->value));
    }
  }
  return 0;
}
