#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace serin::aggregator {

/// The last sequence known of each subject: what a write expects, so that whoever has not read the
/// newest cannot write. Thread-safe.
class LastSequences {
 public:
  /// Above it, all is forgotten and looked up again: 100,000 (host, service) pairs.
  static constexpr size_t kMaxSubjects = 100'000;

  std::optional<uint64_t> find(const std::string& subject) const {
    const std::lock_guard lock(mutex_);
    const auto found = sequences_.find(subject);
    return found == sequences_.end() ? std::nullopt : std::optional(found->second);
  }

  void set(const std::string& subject, uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    if (sequences_.size() >= kMaxSubjects) sequences_.clear();
    sequences_[subject] = sequence;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, uint64_t> sequences_;
};

}  // namespace serin::aggregator
