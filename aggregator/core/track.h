#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/core/counter_book.h"
#include "aggregator/core/facts.h"
#include "schema/messages.h"

namespace serin::core {

/// 10 s blocks of what a host did on a version, for the judge's spread; at most an hour.
class History {
 public:
  static constexpr int64_t kBlockUs = 10'000'000;
  static constexpr size_t kMaxBlocks = 360;
  struct Block {
    int64_t index = 0;  ///< canonical time / kBlockUs
    std::string version;
    uint64_t requests = 0, errors = 0;
    ExpHistogram latency;
    std::optional<double> cpu_seconds;
    std::optional<double> rss_bytes, fds, threads, connections;  ///< means
    std::optional<double> failed_connects, accept_overflows;
    uint32_t samples = 0;
    uint32_t unexpected_ends = 0;
    std::vector<double> business;  ///< by number in the service's counter book; NaN: not reported
  };
  void add(int64_t middle_us, const Sample& sample, const CounterBook& counters);
  void add_end(int64_t at_us, const std::string& version);
  [[nodiscard]] const std::deque<Block>& blocks() const { return blocks_; }
  /// Null where there is none; looks from the newest on.
  [[nodiscard]] const Block* find(int64_t index, std::string_view version) const;

 private:
  Block& block_at(int64_t time_us, const std::string& version);

  std::deque<Block> blocks_;
};

/// What the fold knows of one service on one host.
struct Track {
  std::string host, service;
  uint32_t index = 0;  ///< among the hosts of its service, stable

  std::string version, selected, generation;
  std::string previous;              ///< the other version that ran here last
  std::string artefact;              ///< of this generation, where the agent could tell
  bool ambiguous = false;
  int64_t version_since_us = 0;      ///< when this version started here; 0 = before we looked
  int64_t generation_since_us = 0;   ///< start of the process, as far as known; 0 = long ago

  Phase phase = Phase::serving;
  int64_t phase_since_us = 0;
  bool fell = false;                 ///< down, and this agent saw it end without being asked to
  int64_t last_heard_us = 0;         ///< canonical time of the last message
  int64_t last_end_us = INT64_MIN;   ///< end of the last interval
  uint64_t last_sequence = 0;        ///< and its number, in the incarnation that started then:
  uint64_t last_agent_start_us = 0;
  int64_t last_step = INT64_MIN;     ///< newest evidence step it has reported
  uint32_t interval_us = 0;
  bool gone = false;                 ///< said farewell
  uint64_t farewell_start_us = 0, farewell_sequence = 0;
  uint64_t started_agent_us = 0, started_sequence = 0;  ///< of the last version_started taken
  int64_t wall_offset_us = 0;        ///< host's wall clock less canonical time

  uint64_t samples = 0, repeats = 0, late = 0, refused = 0, skewed = 0;
  std::vector<Absent> absent;
  std::optional<AgentSelf> self;     ///< of "_host": what its agent said of itself last
  Facts facts;

  int64_t oom_us = INT64_MIN;        ///< when the kernel last killed one of its processes for memory

  struct Death {
    int64_t at_us = 0;
    std::string version;
  };
  std::deque<Death> deaths;          ///< unexpected ends, newest last
  static constexpr size_t kMaxDeaths = 16;

  /// The confirm that was sent for what runs here.
  struct Confirm {
    std::string version, generation;
    int64_t since_us = 0, next_issue_us = 0;
    uint32_t revision = 0;
  };
  Confirm confirm;

  struct Waiting {
    Sample sample;
    int64_t stored_us = 0, end_us = 0;
  };
  std::vector<Waiting> waiting;      ///< samples of a generation that was not announced yet
  static constexpr size_t kMaxWaiting = 16;

  History history;
};

}  // namespace serin::core
