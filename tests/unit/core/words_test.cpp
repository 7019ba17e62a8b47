#include "aggregator/core/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace serin::core {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Words, OddsAreRoundedToWhatTheyTell) {
  EXPECT_EQ(words_odds(std::log(3.24)), "3.2 : 1");
  EXPECT_EQ(words_odds(9.39), "12,000 : 1");
  EXPECT_EQ(words_odds(std::log(300)), "300 : 1");
  EXPECT_EQ(words_odds(-4), "1 : 1");
  EXPECT_EQ(words_odds(700), "over 10^12 : 1");
  EXPECT_EQ(words_odds(std::numeric_limits<double>::quiet_NaN()), "1 : 1");
  EXPECT_EQ(words_odds(std::numeric_limits<double>::infinity()), "over 10^12 : 1");
}

TEST(Words, ValuesHaveTheirOwnUnits) {
  EXPECT_EQ(words_value("errors", 0.041), "4.1 %");
  EXPECT_EQ(words_value("errors", 0.003), "0.30 %");
  EXPECT_EQ(words_value("errors", 0.0004), "0.040 %");
  EXPECT_EQ(words_value("latency_p99", 0.25), "25.0 %") << "of requests slower than an edge";
  EXPECT_EQ(words_value("rss_bytes", 3e6), "3.0 MB");
  EXPECT_EQ(words_value("orders", 0.05), "0.05 a request");
  EXPECT_EQ(words_value("connections", 179.6), "180");
  EXPECT_EQ(words_value("failed_connects", 0.02), "0.02 a request");
  EXPECT_EQ(words_ratio(1.5), "x1.5");
  EXPECT_EQ(words_ratio(2), "x2");
  EXPECT_EQ(words_ratio(0.25), "x0.25");
  EXPECT_EQ(words_ratio(13.71), "x13.7");
  EXPECT_EQ(words_ratio(500), "x500");
}

MetricView errors() {
  MetricView m;
  m.metric = "errors";
  m.canary = 0.0036;
  m.baseline = 0.003;
  m.baseline_hosts = 5;
  m.effect = 1.2;
  m.effect_low = 0.9;
  m.effect_high = 1.6;
  m.log_evidence = std::log(3.1);
  m.threshold = std::log(900);
  return m;
}

TEST(Words, OfWhatIsJudgedSayWhatItWouldTake) {
  MetricView m = errors();
  m.seconds_to_rollback = 139.2;
  m.visible_effect = 1.5;
  m.next_effect = 1.25;
  m.seconds_to_next_effect = 79.5;
  EXPECT_EQ(words_metric(m, Standing::judged),
            "errors 0.36 % against 0.30 % on 5 hosts: x1.2 (95 % sure: x0.9 to x1.6); evidence 3.1 "
            ": 1 of the "
            "900 : 1 that rolls back; at this pace of x1.2 about 140 s more would roll it back; "
            "x1.5 would have been "
            "seen by now, x1.25 needs about 80 s more");
}

TEST(Words, OfAWatchThatIsOverPromiseNothingMore) {
  MetricView m = errors();
  m.seconds_to_rollback = 139.2;
  m.seconds_to_must_see = 20;
  m.next_effect = 1.25;
  m.seconds_to_next_effect = 79.5;
  const std::string text = words_metric(m, Standing::over);
  EXPECT_THAT(text, Not(HasSubstr("more")));
  EXPECT_THAT(text, HasSubstr("even x1.25 would not have been seen by now"));
}

TEST(Words, OfWhatFiredSayThatItWasEnough) {
  MetricView m = errors();
  m.fired = true;
  m.log_evidence = 9.39;
  m.warmup_margin = 1.83;
  m.visible_effect = 5;
  const std::string text = words_metric(m, Standing::over);
  EXPECT_THAT(text, HasSubstr("evidence 12,000 : 1, 900 : 1 was enough"));
  EXPECT_THAT(text, HasSubstr("x1.83 is forgiven to a process of this age"));
  EXPECT_THAT(text, Not(HasSubstr("would have been seen")));
}

TEST(Words, OfTheWholeShapeSayTheQuantileThatIsFarthestApart) {
  MetricView m = errors();
  m.metric = "latency_shape";
  m.quantile = 0.999;
  m.canary = 2.5;
  m.baseline = 0.5;
  EXPECT_THAT(words_metric(m, Standing::judged),
              HasSubstr("latency_shape p99.9 2500.0 ms against 500.0 ms on 5 hosts"));
}

TEST(Words, OfALatencySayTheEdgeAndTheTimesOfLatency) {
  MetricView m = errors();
  m.metric = "latency_p90";
  m.edge_seconds = 0.12;
  m.canary = 0.24;
  m.baseline = 0.1;
  EXPECT_THAT(words_metric(m, Standing::judged),
              HasSubstr("latency_p90: 24.0 % of requests slower than 120 ms against 10.0 % on 5 "
                        "hosts; latency x1.2"));
}

TEST(Words, OfALeakSayTheGrowthAndTheRoomThatIsAssumed) {
  MetricView m;
  m.metric = "rss_bytes";
  m.process = "SLOPE";
  m.canary = 4e8;
  m.baseline = 4e8;
  m.threshold = 7;
  m.slope = 2e5;
  m.baseline_slope = 1e3;
  m.slope_low = 1.5e5;
  m.slope_high = 2.5e5;
  m.room = 8e9;
  m.baseline_hosts = 5;
  EXPECT_THAT(words_metric(m, Standing::judged),
              HasSubstr("rss_bytes grows by 12.0 MB a minute against 0.1 MB on 5 hosts (95 % sure: "
                        "9.0 MB to 15.0 MB "
                        "more); the 8.0 GB that are assumed to be left are full in 11 h"));
}

TEST(Words, WithoutAnythingSeenSaySo) {
  MetricView m;
  m.metric = "cpu_per_request";
  m.threshold = 7;
  m.judged_from_seconds = 60;
  const std::string text = words_metric(m, Standing::judged);
  EXPECT_THAT(text, HasSubstr("cpu_per_request: nothing seen on the new version yet"));
  EXPECT_THAT(text, HasSubstr("judged once its processes are 60 s old"));
  EXPECT_EQ(words_seen({m}), "no effect of any size would have been seen by now");
}

TEST(Words, OfTheWholeWatchSayWhatItWasWorth) {
  MetricView a = errors(), b = errors(), alone = errors();
  a.visible_effect = 3;
  b.metric = "latency_p90";
  b.visible_effect = 1.25;
  alone.host = "web-01";
  alone.visible_effect = 50;
  EXPECT_EQ(words_seen({a, b, alone}),
            "by now errors x3 and latency_p90 x1.25 would have been seen");
}

}  // namespace
}  // namespace serin::core
