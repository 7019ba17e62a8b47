#include "agent/footprint/footprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/file.h"

namespace serin::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string mapping(std::string_view head, std::string_view anonymous_kb) {
  return std::string(head) +
         "\nSize:    16 kB\nRss:     16 kB\nAnonymous:    " + std::string(anonymous_kb) +
         " kB\nVmFlags: rd mr mw me\n";
}

TEST(Footprint, OnlyUnchangedBytesOfFilesAreGivenBack) {
  const std::string smaps =
      mapping("1000-2000 r--p 00000000 fe:00 11         /usr/bin/serin-agent", "0") +
      mapping("2000-5000 r-xp 00001000 fe:00 11         /usr/bin/serin-agent", "0") +
      mapping("5000-6000 r--p 00004000 fe:00 11         /usr/bin/serin-agent", "4") +
      mapping("6000-7000 rw-p 00005000 fe:00 11         /usr/bin/serin-agent", "0") +
      mapping("7000-9000 rw-p 00000000 00:00 0          [heap]", "8") +
      mapping("a000-b000 r--s 00000000 fe:00 12         /usr/share/locale/C", "0") +
      mapping("c000-d000 r-xp 00000000 00:00 0          [vdso]", "0");
  EXPECT_THAT(code_mappings(smaps),
              ElementsAre(CodeMapping{0x1000, 0x2000}, CodeMapping{0x2000, 0x5000}));
}

TEST(Footprint, WhatIsNoMapGivesNothingBack) {
  EXPECT_THAT(code_mappings(""), IsEmpty());
  EXPECT_THAT(code_mappings("-\n - \nAnonymous:\nAnonymous: 0 kB\n1-2\n"), IsEmpty());
  EXPECT_THAT(code_mappings("1000-2000 r-xp 0 fe:00 11 /usr/bin/serin-agent"), IsEmpty());
}

TEST(Footprint, TheKernelShowsThisProgramsCode) {
  const auto smaps = read_file("/proc/self/smaps", size_t{4} << 20);
  ASSERT_TRUE(smaps);
  const auto code = reinterpret_cast<uintptr_t>(&code_mappings);
  bool found = false;
  for (const auto& one : code_mappings(*smaps)) found |= one.begin <= code && code < one.end;
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace serin::agent
