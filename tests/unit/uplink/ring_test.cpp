#include "agent/uplink/ring.h"

#include <gtest/gtest.h>

#include <vector>

namespace serin::agent {
namespace {

constexpr size_t kCost = 36 + Ring::kOverheadBytes;  // of a message of 36 bytes: 100

Bytes message() {
  return Bytes(36, 1);
}
bool all(size_t) {
  return true;
}

std::vector<uint64_t> take_all(Ring& ring, const std::function<bool(size_t)>& allowed = all) {
  std::vector<uint64_t> ids;
  while (const auto* taken = ring.take(allowed)) ids.push_back(taken->id);
  return ids;
}

TEST(Ring, HandsOverInOrderAndEachOnce) {
  Ring ring(10 * kCost);
  for (size_t i = 0; i < 3; ++i) ring.push(i, 100 + i, message());
  const auto* first = ring.take(all);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->channel, 0u);
  EXPECT_EQ(first->end_boot_us, 100u);
  EXPECT_EQ(take_all(ring), (std::vector<uint64_t>{2, 3}));
  EXPECT_FALSE(ring.waiting());
  EXPECT_EQ(ring.messages(), 3u) << "without an ack they stay";
  EXPECT_EQ(ring.bytes(), 3 * kCost);
}

TEST(Ring, AnAckedMessageLeavesAlsoFromTheMiddle) {
  Ring ring(10 * kCost);
  for (int i = 0; i < 3; ++i) ring.push(0, 0, message());
  take_all(ring);
  EXPECT_TRUE(ring.remove(2));
  EXPECT_FALSE(ring.remove(2)) << "twice";
  EXPECT_EQ(ring.bytes(), 2 * kCost);
  EXPECT_TRUE(ring.remove(1));
  EXPECT_TRUE(ring.remove(3));
  EXPECT_EQ(ring.messages(), 0u);
  EXPECT_EQ(ring.bytes(), 0u);
  EXPECT_FALSE(ring.remove(99));
  ring.push(0, 0, message());
  EXPECT_EQ(take_all(ring), (std::vector<uint64_t>{4}));
}

TEST(Ring, AfterARewindAllThatHasNoAckGoesAgainInOrder) {
  Ring ring(10 * kCost);
  for (int i = 0; i < 5; ++i) ring.push(0, 0, message());
  take_all(ring);
  ring.remove(2);
  ring.push(0, 0, message());
  ring.rewind();
  EXPECT_EQ(take_all(ring), (std::vector<uint64_t>{1, 3, 4, 5, 6}));
}

TEST(Ring, AFullOneDropsTheOldestWhateverItsState) {
  Ring ring(3 * kCost);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ring.push(0, 0, message()), 0u);
  ASSERT_EQ(ring.take(all)->id, 1u);
  EXPECT_EQ(ring.push(0, 0, message()), 1u);
  EXPECT_FALSE(ring.remove(1)) << "its ack comes too late";
  EXPECT_EQ(take_all(ring), (std::vector<uint64_t>{2, 3, 4}));
  EXPECT_EQ(ring.push(0, 0, Bytes(2 * kCost, 0)), 3u) << "as many as it needs";
  EXPECT_EQ(ring.messages(), 1u);
}

TEST(Ring, TheNewestStaysEvenWhenItAloneIsTooLarge) {
  Ring ring(kCost);
  ring.push(0, 0, message());
  EXPECT_EQ(ring.push(0, 0, Bytes(5 * kCost, 0)), 1u);
  EXPECT_EQ(ring.messages(), 1u);
}

TEST(Ring, AChannelThatIsHeldBackHoldsUpNoOther) {
  Ring ring(10 * kCost);
  for (size_t i = 0; i < 6; ++i) ring.push(i % 2, 0, message());
  EXPECT_EQ(take_all(ring, [](size_t channel) { return channel == 1; }),
            (std::vector<uint64_t>{2, 4, 6}));
  EXPECT_TRUE(ring.waiting());
  ring.release(4);
  EXPECT_EQ(take_all(ring), (std::vector<uint64_t>{1, 3, 4, 5}));
  ring.release(1);
  ring.release(1);
  EXPECT_EQ(take_all(ring), (std::vector<uint64_t>{1})) << "released twice, handed over once";
}

}  // namespace
}  // namespace serin::agent
