#pragma once

#include <uv.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/loop.h"

namespace serin::agent {

/// Part of this process's memory, as the kernel shows it.
struct CodeMapping {
  uintptr_t begin = 0, end = 0;
  friend bool operator==(const CodeMapping&, const CodeMapping&) = default;
};

/// What in a /proc/PID/smaps only shows unchanged bytes of a file and may not be written: code and
/// constants. What the dynamic linker has written into is none of it.
std::vector<CodeMapping> code_mappings(std::string_view smaps);

/// Keeps the agent's share of the host's memory at what it uses. Much of a program and its
/// libraries runs once, at its start, and stays mapped until the host runs short; so does the heap
/// that reading the configuration took. Both are given back when the start is over, and now and
/// then later: what is needed comes back by a page fault, from the page cache. Belongs to the
/// loop's thread; a turn costs about a millisecond.
class Footprint {
 public:
  /// Before any thread is there. One heap for all threads: each of its own costs tens of kB, and
  /// here none of them is in a hurry.
  static void share_one_heap();

  explicit Footprint(uv_loop_t* loop);

 private:
  static void give_back();

  UvTimer timer_;
};

}  // namespace serin::agent
