#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "schema/messages.h"

namespace serin::agent {

/// Adds `later`, the next interval of the same generation and phase, to `sum`: amounts add up,
/// levels are the last ones. An amount that one of the two lacks is absent in the sum, as half of
/// it would be taken for all of it.
void merge(Sample& sum, const Sample& later);

/// Decides how often samples leave. They are taken once a second always; they are sent so while
/// attention is on or for 60 s after a start, and merged to 10 s otherwise (cut at whole tens of
/// wall seconds, alike on all hosts). On going to 1 s, the single seconds of the last minute follow
/// as history. Pure; times are CLOCK_BOOTTIME µs.
class SampleFlow {
 public:
  static constexpr uint64_t kSlowUs = 10'000'000;
  static constexpr uint64_t kAfterStartUs = 60'000'000;
  static constexpr uint32_t kMostAttentionSeconds = 900;  // CONTRACTS §6: lapses by itself
  static constexpr size_t kHistory = 60;

  using Send = std::function<void(Sample, uint64_t end_boot_us)>;
  explicit SampleFlow(Send send) : send_(std::move(send)) {}

  void add(Sample sample, uint64_t end_boot_us);
  /// Sends at once what has been merged so far.
  void flush();
  void attention(uint64_t now_us, uint32_t interval_ms, uint32_t lasting_seconds);
  /// A start: 1 s for the next minute.
  void hurry(uint64_t now_us);
  [[nodiscard]] bool is_fast(uint64_t now_us) const { return now_us < fast_until_us_; }
  /// Nothing waits to be sent.
  [[nodiscard]] bool is_empty() const { return !pending_; }

 private:
  struct Timed {
    Sample sample;
    uint64_t end_us = 0;
  };
  void send_history();
  void until(uint64_t now_us, uint64_t fast_until_us);
  [[nodiscard]] static bool belongs_together(const Sample& a, const Sample& b);

  Send send_;
  uint64_t fast_until_us_ = 0;
  std::optional<Timed> pending_;
  std::deque<Timed> history_;
};

}  // namespace serin::agent
