#include <gtest/gtest.h>

#include "aggregator/render/time.h"
#include "ctl/api/client.h"
#include "ctl/api/time.h"
#include "ctl/show/table.h"
#include "ctl/show/words.h"

namespace serin::ctl {
namespace {

TEST(Words, LongNumbersAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(123456), "123,456");
}

TEST(Words, AMomentBeforeTheBeginningIsNoNegativeZero) {
  EXPECT_EQ(seconds_between(1'000'000, 986'000), "+0.0 s");
  EXPECT_EQ(seconds_between(1'000'000, 4'800'000), "+3.8 s");
  EXPECT_EQ(seconds_between(4'800'000, 1'000'000), "-3.8 s");
}

TEST(Words, EveryStateHasSome) {
  for (int i = 0; i <= static_cast<int>(core::DeployState::rollback_failed); ++i) {
    EXPECT_NE(state_words(static_cast<core::DeployState>(i)), "unknown");
  }
}

TEST(Times, AreReadAsTheyAreRendered) {
  for (const int64_t time :
       {int64_t{1}, int64_t{1'795'177'800'250'001}, int64_t{951'782'400'000'000}}) {
    EXPECT_EQ(time_from_rfc3339(render::rfc3339(time)), time);
  }
  EXPECT_EQ(time_from_rfc3339("1970-01-01T00:00:01Z"), 1'000'000);
  EXPECT_EQ(time_from_rfc3339("1970-01-01T00:00:00.25Z"), 250'000);
  for (const char* wrong :
       {"", "now", "1970-02-30T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00+01:00"}) {
    EXPECT_FALSE(time_from_rfc3339(wrong)) << wrong;
  }
  EXPECT_EQ(utc(1'795'177'800'250'001), "2026-11-20 12:30:00 UTC");
  EXPECT_EQ(utc(0), "never");
}

TEST(TableOfText, IsAsWideAsItsCellsInCharacters) {
  Table table({"A", "B"});
  table.add({"größe", "x"});
  table.add({"y", "-"});
  EXPECT_EQ(table.text(), "A      B\ngröße  x\ny      -\n");
  EXPECT_EQ(list_of({}, 3), "none");
  EXPECT_EQ(list_of({"a", "b", "c"}, 3), "a, b and c");
  EXPECT_EQ(list_of({"a", "b", "c", "d"}, 3), "a, b and 2 more");
}

TEST(UrlPart, LeavesNothingThatMeansSomethingInAUrl) {
  EXPECT_EQ(url_part("a/b?c#d%e ü"), "a%2Fb%3Fc%23d%25e%20%C3%BC");
}

}  // namespace
}  // namespace serin::ctl
