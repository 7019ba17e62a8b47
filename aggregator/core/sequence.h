#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace serin::core {

/// Tells fresh messages of one (incarnation, service) from repeats, and counts what never arrived. Numbers start at 1;
/// a gap closes when a late message fills it. Remembers at most kMaxHoles holes; older ones stay counted as lost.
class SequenceTracker {
 public:
  static constexpr size_t kMaxHoles = 64;  ///< a resend fills holes of at most one ring, in order

  /// True when this number was not seen before.
  bool observe(uint64_t sequence);
  [[nodiscard]] uint64_t missing() const { return missing_; }

 private:
  uint64_t last_ = 0;
  uint64_t first_ = 0;  ///< the first number heard: what lies before it may still come, and is not missed
  uint64_t missing_ = 0;
  std::map<uint64_t, uint64_t> holes_;  ///< first -> last missing number
};

}  // namespace serin::core
