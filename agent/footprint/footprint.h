#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/loop.h"

namespace serin::agent {

/// Part of this process's memory that shows bytes of a file and is never written to.
struct CodeSegment {
  uintptr_t begin = 0;
  size_t bytes = 0;
};

/// Code and constants of the program and of the libraries that it was linked with: what the dynamic
/// linker loaded without leave to write. They stay where they are until the process ends; what was
/// loaded later (dlopen) may not, so ask before there is a second thread.
std::vector<CodeSegment> code_segments();

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

  /// Also before any other thread is there.
  explicit Footprint(uv_loop_t* loop);

  void give_back() const;

 private:
  std::vector<CodeSegment> code_ = code_segments();
  UvTimer timer_;
};

}  // namespace serin::agent
