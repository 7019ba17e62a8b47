#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "common/file.h"

namespace serin::agent {

/// How long the threads of a few processes were ready to run and had no CPU. The kernel tells it
/// thread by thread, so it is the sum over all of them, through descriptors that stay open: 0.4 µs
/// a thread each second, 4 µs for each that is new. They are listed only when one has ended or
/// their number is another. A thread that ends takes with it what came after the last look.
class RunDelay {
 public:
  /// That many cost 14 µs a second hot, 80 with cold caches, which is all that a service may add to
  /// the agent's 450; and as many descriptors.
  static constexpr size_t kMostThreads = 32;

  explicit RunDelay(std::filesystem::path proc) : proc_(std::move(proc)) {}

  /// Nanoseconds since the first call. `threads`: how many these processes have together, as the
  /// kernel counts them. nullopt: too many, hidden, or not counted; `problem` says which.
  std::optional<uint64_t> read(std::span<const int32_t> pids, uint64_t threads);
  /// Why the last call gave nothing; empty when it did.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  struct Thread {
    UniqueFd schedstat;
    uint64_t wait_ns = 0;
    bool has_run = false;
  };
  enum class Count { all, since_now };

  bool advance();
  bool advance(Thread& thread);
  bool list(std::span<const int32_t> pids);
  bool list_process(int32_t pid, Count count);
  bool add(int32_t id, const std::filesystem::path& folder, Count count);
  std::optional<uint64_t> give_up(std::string problem);

  std::filesystem::path proc_;
  std::map<int32_t, Thread> threads_;
  uint64_t sum_ns_ = 0;
  bool knows_all_ = false;  ///< who is new was born since the last look
  std::string problem_;
};

}  // namespace serin::agent
