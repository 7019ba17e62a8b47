#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace serin {

/// Which metrics of statsd or Prometheus are meant:
/// `http_requests_total{code="5*",handler!="/live"}`. In name and values a `*` stands for any text.
/// Tags of DogStatsD are labels here.
struct MetricSelector {
  struct Matcher {
    std::string label;
    std::string pattern;
    bool negated = false;
    friend bool operator==(const Matcher&, const Matcher&) = default;
  };
  std::string name;
  std::vector<Matcher> matchers;

  /// Errors say what is wrong with the text.
  static Result<MetricSelector> parse(std::string_view text);

  /// `label_of(name)` gives a label's value, empty when it has none.
  template <typename LabelOf>
  [[nodiscard]] bool matches(std::string_view metric, LabelOf&& label_of) const {
    return matches_glob(name, metric) && std::ranges::all_of(matchers, [&](const Matcher& one) {
             return matches_glob(one.pattern, label_of(one.label)) != one.negated;
           });
  }

  /// The whole of `text` against `pattern`; in linear space and time for one `*`, at worst
  /// quadratic time for many.
  static bool matches_glob(std::string_view pattern, std::string_view text);
  friend bool operator==(const MetricSelector&, const MetricSelector&) = default;
};

}  // namespace serin
