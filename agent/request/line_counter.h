#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/request/class_rules.h"
#include "agent/request/log_format.h"
#include "agent/request/tally.h"
#include "agent/request/timeline.h"
#include "common/service_file.h"

namespace serin::agent {

/// Counts lines of an access log into the spans of a service's timeline. A request belongs to the
/// generation that ran when it began: the log's time less the request's. Where the log's time is a
/// whole second, its latest possible moment is taken, so that no new line is ever ascribed to a
/// process that had ended before.
class LineCounter {
 public:
  static constexpr int64_t kOldestLineUs =
      600'000'000;  // a backlog older than that tells nothing about now

  /// For `service.requests[index]`; errors are those of its format.
  static Result<LineCounter> make(const ServiceFile& service, size_t index);

  /// `now_us`: wall clock.
  void count(std::string_view line, const Timeline& timeline, int64_t now_us, Tallies& tallies);

  [[nodiscard]] const LogFormat& format() const { return format_; }
  [[nodiscard]] uint64_t unparsed() const { return unparsed_; }  ///< they do not have the format
  [[nodiscard]] uint64_t late() const { return late_; }          ///< older than kOldestLineUs
  /// The last line that did not parse, at most 200 bytes of it.
  [[nodiscard]] const std::string& last_unparsed() const { return last_unparsed_; }

 private:
  struct BusinessRule {
    size_t counter;  ///< index into Tally::business
    std::optional<std::string> equals;
  };

  explicit LineCounter(LogFormat format) : format_(std::move(format)) {}
  [[nodiscard]] int64_t began_us(int64_t now_us) const;
  [[nodiscard]] uint32_t span_of(const Timeline& timeline, int64_t now_us) const;
  void count_request(Tally& tally) const;
  void count_class(RequestMetrics& whole, bool failed) const;
  void count_answer(Tally& tally, uint16_t status) const;

  LogFormat format_;
  std::optional<double> slo_seconds_;
  std::vector<BusinessRule> rules_;  ///< of the first fields that are wanted
  ClassRules classes_;               ///< of those that follow
  LogFields fields_;
  uint64_t unparsed_ = 0, late_ = 0;
  std::string last_unparsed_;
};

}  // namespace serin::agent
