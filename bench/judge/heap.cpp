#include "bench/judge/heap.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {

thread_local serin::bench::HeapUse* counted = nullptr;

void* take(std::size_t size) {
  void* p = std::malloc(size > 0 ? size : 1);
  if (!p) throw std::bad_alloc();
  if (counted) {
    ++counted->allocations;
    counted->bytes += static_cast<int64_t>(malloc_usable_size(p));
  }
  return p;
}

void give(void* p) noexcept {
  if (p && counted) counted->bytes -= static_cast<int64_t>(malloc_usable_size(p));
  std::free(p);
}

}  // namespace

void* operator new(std::size_t size) {
  return take(size);
}
void* operator new[](std::size_t size) {
  return take(size);
}
void operator delete(void* p) noexcept {
  give(p);
}
void operator delete[](void* p) noexcept {
  give(p);
}
void operator delete(void* p, std::size_t) noexcept {
  give(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  give(p);
}

namespace serin::bench {

HeapCount::HeapCount(HeapUse& use) {
  counted = &use;
}
HeapCount::~HeapCount() {
  counted = nullptr;
}

}  // namespace serin::bench
