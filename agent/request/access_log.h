#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/request/file_tail.h"
#include "agent/request/line_counter.h"
#include "agent/request/request_source.h"
#include "agent/request/tail_store.h"

namespace serin::agent {

/// An access log that is followed as a file. The caller polls at each start and end, which makes
/// the border between generations exact for logs that the service writes itself.
class AccessLog : public RequestSource {
 public:
  /// `index` tells the service's logs apart in `state_dir`; without a state_dir nothing is kept
  /// over a restart.
  static Result<AccessLog> make(const ServiceFile& service, size_t index,
                                const std::optional<std::filesystem::path>& state_dir,
                                std::string_view boot_id);

  void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) override;
  void commit(uint64_t boot_us) override;
  [[nodiscard]] std::optional<uint64_t> resumed_from_us() const override {
    return resumed_from_us_;
  }
  /// Lines that did not parse, were too long or too old.
  [[nodiscard]] uint64_t skipped() const override {
    return counter_.unparsed() + counter_.late() + tail_.counts().oversized;
  }
  [[nodiscard]] bool is_complete() const override { return !tail_.is_behind(); }
  [[nodiscard]] std::string problem() const override;
  [[nodiscard]] std::string no_latency() const override;
  [[nodiscard]] bool knows_sizes() const override { return counter_.format().has_body_bytes(); }

  [[nodiscard]] const FileTail::Counts& counts() const { return tail_.counts(); }
  [[nodiscard]] const LineCounter& lines() const { return counter_; }

 private:
  AccessLog(LineCounter counter, FileTail tail, std::optional<TailStore> store)
      : counter_(std::move(counter)), tail_(std::move(tail)), store_(std::move(store)) {}

  LineCounter counter_;
  FileTail tail_;
  std::optional<TailStore> store_;
  std::optional<uint64_t> resumed_from_us_;
};

}  // namespace serin::agent
