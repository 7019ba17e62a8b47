#include "agent/footprint/footprint.h"

#include <link.h>
#include <malloc.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

namespace serin::agent {
namespace {

constexpr uint64_t kAfterStartMs = 10'000;  // connected, and every service seen
constexpr uint64_t kEveryMs = 600'000;      // a reconnect or a release runs code that then rests

/// One page after the other, as the kernel maps them.
CodeSegment whole_pages(uintptr_t begin, size_t bytes) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = begin & ~(page - 1), end = (begin + bytes + page - 1) & ~(page - 1);
  return {.begin = first, .bytes = end - first};
}

int add_object(dl_phdr_info* object, size_t, void* into) {
  // The kernel's own page of code is no file's.
  if (object->dlpi_addr == ::getauxval(AT_SYSINFO_EHDR)) return 0;
  for (size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
    static_cast<std::vector<CodeSegment>*>(into)->push_back(
        whole_pages(object->dlpi_addr + part.p_vaddr, part.p_memsz));
  }
  return 0;
}

}  // namespace

std::vector<CodeSegment> code_segments() {
  std::vector<CodeSegment> found;
  ::dl_iterate_phdr(&add_object, &found);
  return found;
}

void Footprint::share_one_heap() {
  ::mallopt(M_ARENA_MAX, 1);
}

Footprint::Footprint(uv_loop_t* loop) : timer_(loop, [this] { give_back(); }) {
  timer_.start(kAfterStartMs, kEveryMs);
}

void Footprint::give_back() const {
  for (const CodeSegment& segment : code_)
    ::madvise(reinterpret_cast<void*>(segment.begin), segment.bytes, MADV_DONTNEED);
  ::malloc_trim(0);
}

}  // namespace serin::agent
