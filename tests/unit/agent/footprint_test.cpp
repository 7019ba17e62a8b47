#include "agent/footprint/footprint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace serin::agent {
namespace {

constinit int written = 1;

bool holds(const std::vector<CodeSegment>& segments, const void* address) {
  const auto place = reinterpret_cast<uintptr_t>(address);
  return std::ranges::any_of(segments, [&](const CodeSegment& segment) {
    return segment.begin <= place && place - segment.begin < segment.bytes;
  });
}

TEST(Footprint, KnowsTheCodeOfTheProgramAndOfItsLibraries) {
  const auto segments = code_segments();
  EXPECT_TRUE(holds(segments, reinterpret_cast<const void*>(&code_segments)));
  double (*const of_a_library)(double) = &std::cbrt;
  EXPECT_TRUE(holds(segments, reinterpret_cast<const void*>(of_a_library)));
}

TEST(Footprint, WhatCanBeWrittenIsNoneOfIt) {
  const auto segments = code_segments();
  const std::string on_the_heap(1000, 'x');
  const int on_the_stack = 0;
  EXPECT_FALSE(holds(segments, &written));
  EXPECT_FALSE(holds(segments, on_the_heap.data()));
  EXPECT_FALSE(holds(segments, &on_the_stack));
}

TEST(Footprint, WhatIsGivenBackComesBackUnchanged) {
  UvLoop loop;
  const Footprint footprint(loop.get());
  written = 42;
  const std::string text(1 << 20, 'x');
  footprint.give_back();
  EXPECT_EQ(written, 42);
  EXPECT_EQ(std::ranges::count(text, 'x'), 1 << 20);
  EXPECT_EQ(std::string("constants too"), std::string{"constants"} + " too");
}

}  // namespace
}  // namespace serin::agent
