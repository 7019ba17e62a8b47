#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/request/file_tail.h"
#include "agent/request/log_format.h"
#include "agent/request/tail_store.h"
#include "agent/request/tally.h"
#include "agent/request/timeline.h"
#include "common/service_file.h"

namespace serin::agent {

/// Counts the requests of one access log into the spans of a service's timeline. A request belongs
/// to the generation that ran when it began: the log's time less the request's. Where the log's
/// time is a whole second, its latest possible moment is taken, so that no new line is ever
/// ascribed to a process that had ended before; the caller polls at each start and end, which makes
/// the border exact for logs that the service writes itself.
class AccessLog {
 public:
  static constexpr int64_t kOldestLineUs =
      600'000'000;  // a backlog older than that tells nothing about now

  struct Skipped {
    uint64_t unparsed = 0;   ///< lines that do not have the format
    uint64_t oversized = 0;  ///< lines above 64 KiB
    uint64_t late = 0;       ///< lines older than kOldestLineUs
    [[nodiscard]] uint64_t total() const { return unparsed + oversized + late; }
  };

  /// `index` tells the service's logs apart in `state_dir`; without a state_dir nothing is kept
  /// over a restart.
  static Result<AccessLog> make(const ServiceFile& service, size_t index,
                                const std::optional<std::filesystem::path>& state_dir,
                                std::string_view boot_id);

  /// Reads what is new. `now_us`: wall clock.
  void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies);
  /// What was polled so far has been handed on: remembers the place for the next start of the
  /// agent.
  void commit(uint64_t boot_us);

  /// When the agent before this one last committed, CLOCK_BOOTTIME of this boot; absent when
  /// unknown.
  [[nodiscard]] std::optional<uint64_t> resumed_from_us() const { return resumed_from_us_; }
  [[nodiscard]] Skipped skipped() const;
  [[nodiscard]] const FileTail::Counts& counts() const { return tail_.counts(); }
  [[nodiscard]] const std::string& problem() const { return tail_.problem(); }
  [[nodiscard]] bool has_latency() const { return format_.has_latency(); }
  [[nodiscard]] const std::filesystem::path& path() const { return tail_.path(); }
  /// The last line that did not parse, at most 200 bytes of it: for `check`.
  [[nodiscard]] const std::string& last_unparsed() const { return last_unparsed_; }

 private:
  struct BusinessRule {
    size_t counter;  ///< index into Tally::business
    std::optional<std::string> equals;
  };

  AccessLog(LogFormat format, FileTail tail, std::optional<TailStore> store)
      : format_(std::move(format)), tail_(std::move(tail)), store_(std::move(store)) {}
  void count_line(std::string_view line, const Timeline& timeline, int64_t now_us,
                  Tallies& tallies);
  uint32_t span_of(const Timeline& timeline, int64_t now_us) const;
  void count_request(Tally& tally) const;

  LogFormat format_;
  FileTail tail_;
  std::optional<TailStore> store_;
  std::optional<uint64_t> resumed_from_us_;
  std::optional<double> slo_seconds_;
  std::vector<BusinessRule> rules_;
  LogFields fields_;
  uint64_t unparsed_ = 0, late_ = 0;
  std::string last_unparsed_;
};

}  // namespace serin::agent
