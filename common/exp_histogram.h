#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/error.h"

namespace serin {

/// Base-2 exponential histogram, as OpenTelemetry and Prometheus native histograms define it:
/// bucket i covers (b^i, b^(i+1)] with b = 2^(2^-scale). Values in seconds. The scale is fixed at 3
/// (9 % a bucket) so that the edges are identical on every host; indices are clamped to [kMinIndex,
/// kMaxIndex] (about 1 µs to 36 h).
class ExpHistogram {
 public:
  static constexpr int kScale = 3;
  static constexpr int32_t kMinIndex = -160;
  static constexpr int32_t kMaxIndex = 136;

  ExpHistogram() = default;
  /// From the wire or a capture. Refuses another scale than 3, more buckets than the range holds,
  /// and indices outside the range.
  static Result<ExpHistogram> from_parts(int scale, int32_t offset,
                                         std::span<const uint64_t> counts);

  void record(double seconds, uint64_t count = 1);
  void merge(const ExpHistogram& other);
  void clear();

  [[nodiscard]] bool empty() const { return total_ == 0; }
  [[nodiscard]] uint64_t total() const { return total_; }
  /// Index of the first entry of counts(); 0 when empty.
  [[nodiscard]] int32_t offset() const { return offset_; }
  /// Counts from offset() on; first and last are not zero.
  [[nodiscard]] std::span<const uint64_t> counts() const { return counts_; }
  /// Requests in bucket `index`, 0 outside.
  [[nodiscard]] uint64_t at(int32_t index) const;
  /// Requests in the buckets after `index`.
  [[nodiscard]] uint64_t above(int32_t index) const;
  /// Value below which the share q in [0, 1] lies, in seconds, linear in log value inside a bucket;
  /// 0 when empty.
  [[nodiscard]] double quantile(double q) const;

  /// The bucket a value falls in, clamped. Values <= 0 go to kMinIndex.
  static int32_t index_of(double seconds);
  /// Upper bound of a bucket in seconds.
  static double upper_bound(int32_t index);

  friend bool operator==(const ExpHistogram&, const ExpHistogram&) = default;

 private:
  int32_t offset_ = 0;
  uint64_t total_ = 0;
  std::vector<uint64_t> counts_;
};

}  // namespace serin
