#include "agent/uplink/stamp.h"

#include <gtest/gtest.h>

#include "schema/wire.h"

namespace serin::agent {
namespace {

constexpr std::time_t kNoon = 1'790'000'000;  // 2026-09-21T14:13:20Z

TEST(Stamp, AnAgeIsSetOnSamplesAndEventsAndNothingElseChanges) {
  Sample sample;
  sample.from = {"web-1", "boot", 7, 3};
  sample.service = "api";
  sample.requests = RequestMetrics{.requests = 5, .errors = 1};
  const auto stamped = with_age(wire::encode(sample), boot_now_us() - 2'000'000);
  ASSERT_TRUE(stamped);
  auto read = wire::decode_sample(*stamped);
  ASSERT_TRUE(read);
  EXPECT_GE(read->age_us, 2'000'000);
  EXPECT_LT(read->age_us, 60'000'000);
  read->age_us = 0;
  EXPECT_EQ(*read, sample);

  Event event;
  event.from = {"web-1", "boot", 7, 4};
  event.service = "api";
  event.kind = EventKind::process_started;
  event.version = "v1";
  event.generation = "g1";
  const auto stamped_event = with_age(wire::encode(event), boot_now_us() - 1'000'000);
  ASSERT_TRUE(stamped_event);
  const auto read_event = wire::decode_event(*stamped_event);
  ASSERT_TRUE(read_event);
  EXPECT_GE(read_event->age_us, 1'000'000);
}

TEST(Stamp, AnEndInTheFutureHasNoAge) {
  Sample sample;
  sample.from = {"web-1", "boot", 7, 3};
  sample.service = "api";
  const auto stamped = with_age(wire::encode(sample), boot_now_us() + 60'000'000);
  ASSERT_TRUE(stamped);
  EXPECT_EQ(wire::decode_sample(*stamped)->age_us, 0);
}

TEST(Stamp, WhatIsNoMessageIsAnError) {
  EXPECT_FALSE(with_age(as_bytes("nonsense"), 0));
}

TEST(Stamp, AStoredAttentionLastsOnlyForWhatIsLeft) {
  EXPECT_EQ(remaining_seconds(600, "", kNoon), 600u) << "live";
  EXPECT_EQ(remaining_seconds(600, "2026-09-21T14:13:20.123456789Z", kNoon), 600u);
  EXPECT_EQ(remaining_seconds(600, "2026-09-21T14:13:20.123456789Z", kNoon + 100), 500u);
  EXPECT_EQ(remaining_seconds(600, "2026-09-21T14:13:20Z", kNoon + 600), 0u);
  EXPECT_EQ(remaining_seconds(600, "2026-09-21T14:13:20Z", kNoon + 86'400), 0u);
  EXPECT_EQ(remaining_seconds(600, "2026-09-21T14:13:20Z", kNoon - 3600), 600u)
      << "a host whose clock is behind";
  EXPECT_EQ(remaining_seconds(600, "nonsense", kNoon), 600u);
}

}  // namespace
}  // namespace serin::agent
