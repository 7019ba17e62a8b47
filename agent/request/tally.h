#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/messages.h"

namespace serin::agent {

/// What was counted for one span since it was last taken.
struct Tally {
  uint32_t span = 0;  ///< Timeline::Span::id; 0: requests that no known version can own
  RequestMetrics requests;
  std::vector<double> business;  ///< in the service file's order
  uint64_t answered = 0;         ///< by the service itself, not by a proxy in its stead
  uint64_t failed = 0;           ///< `server` errors
  std::vector<std::pair<size_t, double>> levels;  ///< of business metrics that are gauges
  uint64_t sized = 0;                             ///< requests whose answer's size is known
  uint64_t body_bytes = 0;                        ///< of those
  uint64_t full_answers = 0;                      ///< of those: all but a 200 without content

  [[nodiscard]] bool empty() const {
    return requests.requests == 0 &&
           std::ranges::all_of(business, [](double amount) { return amount == 0; });
  }
};

/// The tallies of one service: usually one, two around a restart.
class Tallies {
 public:
  explicit Tallies(size_t business_counters) : business_counters_(business_counters) {}
  Tally& of(uint32_t span);
  /// What was counted for a span since it was last taken.
  Tally take(uint32_t span);
  /// What was counted for all others, one Tally a span, oldest first. Those of later spans stay.
  std::vector<Tally> take_before(uint32_t span);

 private:
  size_t business_counters_;
  std::vector<Tally> tallies_;
};

/// Adds `other`, of the same service, to `sum`.
void add(Tally& sum, const Tally& other);
void add(RequestMetrics& sum, const RequestMetrics& other);
/// The part of `whole` with this name, made where there is none. Names come from a service's file,
/// which bounds them.
RequestClass& class_of(RequestMetrics& whole, std::string_view name);
/// Counts `count` requests that ended with a status, 0 for none, into their class (CONTRACTS §4).
void count_status(Tally& tally, uint16_t status, uint64_t count = 1);

}  // namespace serin::agent
