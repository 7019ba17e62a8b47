#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schema/messages.h"

namespace serin::core {

/// What one host did on one version in one evidence second.
struct Cell {
  uint32_t host = 0;  ///< Track::index
  std::string version;
  double age_seconds = 0;
  bool judged = false;       ///< serving, version certain, no conflict
  uint32_t interval_us = 0;  ///< the longest that went in
  uint64_t requests = 0, errors = 0;
  ExpHistogram latency;
  std::optional<double> cpu_seconds, rss_bytes, fds, threads;
  std::optional<double> connections, failed_connects, accept_overflows;
  std::vector<NamedValue> business;
};

/// The seconds of one service that are not closed yet (and the last few that are): second -> cells.
class StepTable {
 public:
  static constexpr int64_t kKeptSeconds = 900;  ///< an outage of the bus delays steps by at most this

  /// Adds a sample to the second of its middle; false when that second is closed or too old (late).
  bool add(const Sample& sample, uint32_t host, int64_t end_us, double age_seconds, bool judged);
  [[nodiscard]] const std::vector<Cell>* at(int64_t second) const;
  /// Everything up to and including `second` is closed.
  void close(int64_t second);
  [[nodiscard]] int64_t closed() const { return closed_; }

 private:
  std::map<int64_t, std::vector<Cell>> seconds_;
  int64_t closed_ = INT64_MIN;
};

/// Sums amounts, of which an absent one is not zero.
void add_up(std::optional<double>& sum, std::optional<double> value);

/// Sums counters of the same name.
void add_counters(std::vector<NamedValue>& into, const std::vector<NamedValue>& counters);

/// Connections that the service opened, or has not closed although its peer has; absent where the
/// agent cannot tell.
std::optional<double> connections_of(const SocketMetrics& sockets);
std::optional<double> as_double(std::optional<uint64_t> value);

/// The second a sample belongs to: floor(end - interval / 2).
int64_t step_of(int64_t end_us, uint32_t interval_us);

}  // namespace serin::core
