#pragma once

#include <optional>
#include <string_view>

namespace serin::agent {

/// One line of the Prometheus text format or of OpenMetrics that holds a value. The views point
/// into the line.
struct PrometheusLine {
  std::string_view name;
  std::string_view labels;  ///< what stands between the braces
  double value = 0;         ///< may be infinite or not a number

  /// A label's value as it is written, escapes and all; empty when it is not there.
  [[nodiscard]] std::string_view label(std::string_view key) const;
};

/// nullopt for what is no sample; comments and empty lines are none.
std::optional<PrometheusLine> parse_prometheus(std::string_view line);

}  // namespace serin::agent
