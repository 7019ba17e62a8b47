#include "bench/judge/cells.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/judge/proportion.h"

namespace serin::bench {
namespace {

TEST(Cells, NinePairsOfFleetAndTraffic) {
  const auto cells = parse_cells("all");
  ASSERT_TRUE(cells);
  ASSERT_EQ(cells->size(), 9u);
  EXPECT_EQ(cells->front().name(), "1/20x10");
  EXPECT_EQ(cells->back().name(), "10/1000x1000");
}

TEST(Cells, AreReadAsTheyAreWritten) {
  const auto cells = parse_cells("2/100x50,1/6x2.5");
  ASSERT_TRUE(cells);
  ASSERT_EQ(cells->size(), 2u);
  EXPECT_EQ((*cells)[0].name(), "2/100x50");
  EXPECT_EQ((*cells)[1].name(), "1/6x2.5");
}

TEST(Cells, WhatIsNoCellIsRefused) {
  for (const char* text : {"", "1/20", "1/20x10y", "0/20x10", "1/2x10", "1/20x0", "1/20x10,,"}) {
    EXPECT_FALSE(parse_cells(text)) << text;
  }
}

TEST(Cells, HaveStreamsOfTheirOwn) {
  const auto cells = all_cells();
  for (size_t i = 0; i < cells.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(cells[i].seed(1), cells[j].seed(1));
  }
  EXPECT_NE(cells[0].seed(1), cells[0].seed(2));
}

TEST(Proportion, BoundIsClopperAndPearsons) {
  EXPECT_NEAR(upper_bound_95(0, 2000), 1 - std::pow(0.05, 1 / 2000.0), 1e-9);
  EXPECT_NEAR(upper_bound_95(12, 2000), 0.0097, 5e-5);
  EXPECT_NEAR(upper_bound_95(2, 222), 0.02809, 5e-5);
  EXPECT_EQ(upper_bound_95(5, 5), 1);
}

}  // namespace
}  // namespace serin::bench
