#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace serin::agent {

/// One line of statsd, with the extensions of DogStatsD: sample rate, tags, several values. The
/// views point into the line.
struct StatsdLine {
  enum class Type : uint8_t {
    counter,
    timer,  ///< `ms`, `h` or `d`
    gauge,
    set,  ///< of no use here
  };
  std::string_view name;
  std::string_view values;  ///< `1` or `1:2:3`
  Type type = Type::counter;
  double rate = 1;        ///< 1 / how many each value stands for
  std::string_view tags;  ///< `key:value,flag`

  /// A tag's value; empty when it is not there or has none.
  [[nodiscard]] std::string_view tag(std::string_view key) const;
};

/// nullopt for what is no metric, or none that makes sense.
std::optional<StatsdLine> parse_statsd(std::string_view line);

/// The next of `values`, which it is taken from; nullopt when it is not a number.
struct StatsdValue {
  double value = 0;
  bool is_change = false;  ///< of a gauge: `+1`, `-1`
};
std::optional<StatsdValue> next_value(std::string_view& values);

/// DogStatsD's events and service checks travel on the same socket and are no metrics.
[[nodiscard]] bool is_other_dogstatsd(std::string_view line);

}  // namespace serin::agent
