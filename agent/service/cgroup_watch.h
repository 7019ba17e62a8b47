#pragma once

#include <uv.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "common/error.h"
#include "common/file.h"
#include "common/loop.h"

namespace serin::agent {

/// What the kernel says by itself of one control group at a time: it has become empty, or something
/// in it was killed because memory ran out. Faster than the unit's manager, and it tells of killed
/// children, which the manager may pass over. Where there is no memory controller nothing is heard
/// of kills. On the loop's thread.
class CgroupWatch {
 public:
  struct Handlers {
    std::function<void()> emptied;
    std::function<void(uint64_t kills)> killed_for_memory;  ///< since the last call
  };
  /// Fails where inotify is used up.
  static Result<std::unique_ptr<CgroupWatch>> make(uv_loop_t* loop, Handlers handlers);

  /// From now on this folder, instead of the one before; empty: none.
  void follow(const std::filesystem::path& folder);
  /// False on version 1: there somebody has to look.
  [[nodiscard]] bool hears_of_kills() const { return memory_ >= 0; }

 private:
  CgroupWatch(UniqueFd fd, Handlers handlers)
      : fd_(std::move(fd)), handlers_(std::move(handlers)) {}
  void read_events();
  [[nodiscard]] std::optional<uint64_t> kills() const;

  UniqueFd fd_;
  Handlers handlers_;
  std::optional<UvPoll> poll_;
  std::filesystem::path folder_;
  int events_ = -1, memory_ = -1;  ///< watches of cgroup.events and memory.events
  uint64_t kills_ = 0;
};

}  // namespace serin::agent
