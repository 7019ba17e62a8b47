#pragma once

#include <cstdint>

// What a piece of code takes from the heap: operator new is replaced in the program that links
// this, and counts for the thread that asks while a HeapCount lives.

namespace serin::bench {

struct HeapUse {
  uint64_t allocations = 0;
  int64_t bytes = 0;  ///< taken less given back, as the allocator rounds them
};

class HeapCount {
 public:
  /// Adds to `use` until it ends. They do not nest.
  explicit HeapCount(HeapUse& use);
  ~HeapCount();
  HeapCount(const HeapCount&) = delete;
  HeapCount& operator=(const HeapCount&) = delete;
};

}  // namespace serin::bench
