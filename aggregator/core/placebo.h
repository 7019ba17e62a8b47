#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "aggregator/core/judge/placebo_book.h"

namespace serin::core {

/// The placebos of one service: rounds of runs on untouched hosts, fed by closed blocks of 10 s,
/// and what came of them. Rounds begin at fixed times, so that a fold that starts anew from the
/// input comes to the same.
struct Placebos {
  /// Blocks that a spread is taken from, 45 min. With a watch of 10 min and the hour that counts,
  /// two hours of input are enough to come to the same again.
  static constexpr int64_t kPastBlocks = 270;
  static constexpr int kMissedBlocks = 2;  ///< in a row: the host is silent

  struct Member {
    uint32_t host = 0;
    std::string generation;
    int missed = 0;
    bool out = false;  ///< not the host it was: neither tried nor compared with
  };
  struct Round {
    int64_t first_block = 0;
    std::string version;
    std::vector<Member> members;
    bool counts = true;  ///< false: begun with less past than it had before a restart
    judge::PlaceboRound runs;
  };

  int64_t next_block = 0;   ///< to be closed; 0: none was yet
  int64_t first_block = 0;  ///< that this fold saw
  bool began_late = false;  ///< the audit is older than the input
  std::deque<Round> rounds;
  judge::PlaceboBook book;
};

}  // namespace serin::core
