#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace serin::agent {

/// What a link or file said, and since when (its ctime, wall clock).
struct VersionValue {
  std::string version;
  int64_t since_us = 0;
  friend bool operator==(const VersionValue&, const VersionValue&) = default;
};

/// The values that a version link or file has had. A process runs what the link said at its start:
/// the value with the largest ctime not after that. Within 50 ms of a change nobody can tell: the
/// kernel's file times and a process's start ticks are that coarse together. Pure.
class VersionHistory {
 public:
  static constexpr int64_t kAmbiguousUs = 50'000;
  static constexpr size_t kMaxValues =
      16;  // changes between two starts; older ones matter to nobody

  struct Found {
    std::string version;
    bool ambiguous = false;
    friend bool operator==(const Found&, const Found&) = default;
  };

  /// The value seen now; not new when it equals the last one.
  void note(VersionValue value);
  /// nullopt: every value known was set after `start_us`.
  [[nodiscard]] std::optional<Found> as_of(int64_t start_us) const;
  [[nodiscard]] const VersionValue* last() const {
    return values_.empty() ? nullptr : &values_.back();
  }

 private:
  std::deque<VersionValue> values_;
};

}  // namespace serin::agent
