#include "common/bus/loop_queue.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace serin::bus {
namespace {

class LoopQueueTest : public testing::Test {
 protected:
  LoopQueueTest() { uv_loop_init(&loop_); }
  ~LoopQueueTest() override {
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }
  uv_loop_t loop_{};
};

TEST_F(LoopQueueTest, ValuesOfOneThreadArriveInOrderOnTheLoop) {
  constexpr int kCount = 5000;
  std::vector<int> seen;
  const auto loop_thread = std::this_thread::get_id();
  auto queue = *LoopQueue<int>::create(&loop_, kCount, [&](int value) {
    EXPECT_EQ(std::this_thread::get_id(), loop_thread);
    seen.push_back(value);
  });
  std::thread sender([&] {
    for (int i = 0; i < kCount; ++i) EXPECT_TRUE(queue->push(i));
  });
  while (seen.size() < kCount) uv_run(&loop_, UV_RUN_ONCE);
  sender.join();
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(seen[static_cast<size_t>(i)], i);
  queue->close();
}

TEST_F(LoopQueueTest, AFullQueueRefusesUntilATurnHasMadeRoom) {
  int rooms = 0, count = 0;
  auto queue = *LoopQueue<int>::create(&loop_, 2, [&](int) { ++count; });
  queue->on_room([&] { ++rooms; });
  EXPECT_TRUE(queue->push(1));
  EXPECT_TRUE(queue->push(2));
  EXPECT_FALSE(queue->push(3));
  EXPECT_EQ(queue->room(), 0u);
  EXPECT_TRUE(queue->push_always(4));
  uv_run(&loop_, UV_RUN_NOWAIT);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(rooms, 1);
  EXPECT_EQ(queue->room(), 2u);
  queue->close();
}

TEST_F(LoopQueueTest, ATurnIsBounded) {
  size_t count = 0;
  constexpr size_t kMany = 3 * LoopQueue<int>::kPerTurn;
  auto queue = *LoopQueue<int>::create(&loop_, kMany, [&](int) { ++count; });
  for (size_t i = 0; i < kMany; ++i) queue->push(0);
  uv_run(&loop_, UV_RUN_NOWAIT);
  EXPECT_EQ(count, LoopQueue<int>::kPerTurn);
  while (count < kMany) uv_run(&loop_, UV_RUN_ONCE);
  queue->close();
}

TEST_F(LoopQueueTest, AfterCloseNothingIsCalledAndNothingAccepted) {
  int count = 0;
  bool closed = false;
  std::shared_ptr<LoopQueue<int>> queue;
  queue = *LoopQueue<int>::create(&loop_, 10, [&](int) {
    ++count;
    queue->close([&] { closed = true; });  // from inside
  });
  queue->push(1);
  queue->push(2);
  uv_run(&loop_, UV_RUN_DEFAULT);
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(closed);
  EXPECT_FALSE(queue->push(3));
  EXPECT_FALSE(queue->push_always(3));
}

}  // namespace
}  // namespace serin::bus
