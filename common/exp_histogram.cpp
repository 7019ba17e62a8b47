#include "common/exp_histogram.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace serin {
namespace {

constexpr int kBucketsPerOctave = 1 << ExpHistogram::kScale;

/// 2^(j/8) / 2 for j = 0…7, as literals: the edges must be the same bits on every host, whatever
/// its libm.
constexpr std::array<double, kBucketsPerOctave> kEdges = {
    0.5,
    0.54525386633262882960,
    0.59460355750136053336,
    0.64841977732550483296,
    0.70710678118654752440,
    0.77110541270397041180,
    0.84089641525371454303,
    0.91700404320467123174,
};

constexpr size_t kMostBuckets =
    size_t{ExpHistogram::kMaxIndex} + size_t{-ExpHistogram::kMinIndex} + 1;

/// More than any host answers; far enough below 2^64 that sums of many such histograms do not wrap.
constexpr uint64_t kMostRequests = uint64_t{1} << 48;

}  // namespace

Result<ExpHistogram> ExpHistogram::from_parts(int scale, int32_t offset,
                                              std::span<const uint64_t> counts) {
  if (scale != kScale) {
    return fail(fmt::format("histogram of scale {}, only scale {} is understood", scale, kScale));
  }
  if (counts.size() > kMostBuckets) {
    return fail(fmt::format("histogram of {} buckets, more than the {} there are", counts.size(),
                            kMostBuckets));
  }
  ExpHistogram made;
  if (counts.empty()) return made;
  if (offset < kMinIndex || int64_t{offset} + static_cast<int64_t>(counts.size()) - 1 > kMaxIndex) {
    return fail(fmt::format("histogram buckets from {} on, {} of them, leave the range [{}, {}]",
                            offset, counts.size(), kMinIndex, kMaxIndex));
  }
  for (const uint64_t count : counts) {
    made.total_ += std::min(count, kMostRequests + 1);
    if (made.total_ > kMostRequests) {
      return fail(fmt::format("histogram of more than {} requests", kMostRequests));
    }
  }
  if (made.total_ == 0) return made;
  const auto is_used = [](uint64_t count) { return count != 0; };
  const auto first = std::find_if(counts.begin(), counts.end(), is_used);
  const auto last = std::find_if(counts.rbegin(), counts.rend(), is_used).base();
  made.offset_ = offset + static_cast<int32_t>(first - counts.begin());
  made.counts_.assign(first, last);
  return made;
}

void ExpHistogram::record(double seconds, uint64_t count) {
  if (count == 0) return;
  const int32_t index = index_of(seconds);
  if (counts_.empty()) offset_ = index;
  if (index < offset_) {
    counts_.insert(counts_.begin(), static_cast<size_t>(offset_ - index), 0);
    offset_ = index;
  }
  const auto place = static_cast<size_t>(index - offset_);
  if (place >= counts_.size()) counts_.resize(place + 1, 0);
  counts_[place] += count;
  total_ += count;
}

void ExpHistogram::merge(const ExpHistogram& other) {
  if (other.empty()) return;
  if (empty()) {
    *this = other;
    return;
  }
  if (other.offset_ < offset_) {
    counts_.insert(counts_.begin(), static_cast<size_t>(offset_ - other.offset_), 0);
    offset_ = other.offset_;
  }
  const auto shift = static_cast<size_t>(other.offset_ - offset_);
  counts_.resize(std::max(counts_.size(), shift + other.counts_.size()), 0);
  for (size_t i = 0; i < other.counts_.size(); ++i) counts_[shift + i] += other.counts_[i];
  total_ += other.total_;
}

void ExpHistogram::clear() {
  offset_ = 0;
  total_ = 0;
  counts_.clear();
}

uint64_t ExpHistogram::at(int32_t index) const {
  const int64_t place = int64_t{index} - offset_;
  if (place < 0 || place >= static_cast<int64_t>(counts_.size())) return 0;
  return counts_[static_cast<size_t>(place)];
}

uint64_t ExpHistogram::above(int32_t index) const {
  const int64_t first =
      std::clamp<int64_t>(int64_t{index} + 1 - offset_, 0, static_cast<int64_t>(counts_.size()));
  return std::accumulate(counts_.begin() + first, counts_.end(), uint64_t{0});
}

double ExpHistogram::quantile(double q) const {
  if (empty()) return 0;
  const double rank = (q > 0 ? std::min(q, 1.0) : 0.0) * static_cast<double>(total_);
  double before = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    const auto here = static_cast<double>(counts_[i]);
    const int32_t index = offset_ + static_cast<int32_t>(i);
    if (here > 0 && before + here >= rank) {
      const double share = (rank - before) / here;
      return std::min(upper_bound(index - 1) * std::exp2(share / kBucketsPerOctave),
                      upper_bound(index));
    }
    before += here;
  }
  return upper_bound(offset_ + static_cast<int32_t>(counts_.size()) - 1);
}

int32_t ExpHistogram::index_of(double seconds) {
  if (!(seconds > 0)) return kMinIndex;  // NaN too
  if (std::isinf(seconds)) return kMaxIndex;
  // seconds = mantissa * 2^exponent with mantissa in [0.5, 1). The bucket is open below: the last
  // edge that is smaller counts, so that 2^n itself belongs to the bucket that ends there.
  int exponent = 0;
  const double mantissa = std::frexp(seconds, &exponent);
  int32_t edges_below = 0;
  for (const double edge : kEdges) edges_below += edge < mantissa ? 1 : 0;
  return std::clamp((exponent - 1) * kBucketsPerOctave + edges_below - 1, kMinIndex, kMaxIndex);
}

double ExpHistogram::upper_bound(int32_t index) {
  const int64_t edge = int64_t{index} + 1;
  const auto place = static_cast<size_t>(edge & (kBucketsPerOctave - 1));
  return std::ldexp(kEdges[place], static_cast<int>(edge >> kScale) + 1);
}

}  // namespace serin
