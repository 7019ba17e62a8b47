#include "aggregator/core/counter_book.h"

#include <algorithm>
#include <array>

namespace serin::core {
namespace {

constexpr size_t kMostRemembered = 16;
constexpr std::array<std::string_view, 16> kMetrics = {
    "errors",      "latency_p50",     "latency_p90", "latency_p99", "latency_p999",
    "latency_slo", "latency_shape",   "rss_bytes",   "fds",         "threads",
    "restarts",    "cpu_per_request", "requests",    "connections", "failed_connects",
    "accept_overflows"};

}  // namespace

void CounterBook::admit(std::string_view name, bool asked_for) {
  if (find(name)) return;
  const bool taken = std::ranges::find(kMetrics, name) != kMetrics.end();
  if (taken || (names_.size() >= kMost && !asked_for)) {
    leave_out(name);
  } else {
    names_.emplace_back(name);
  }
}

std::optional<size_t> CounterBook::find(std::string_view name) const {
  const auto known = std::ranges::find(names_, name);
  if (known == names_.end()) return std::nullopt;
  return static_cast<size_t>(known - names_.begin());
}

void CounterBook::leave_out(std::string_view name) {
  const auto place = std::ranges::lower_bound(left_out_, name);
  if (place != left_out_.end() && *place == name) return;
  if (left_out_.size() < kMostRemembered) left_out_.emplace(place, name);
}

}  // namespace serin::core
