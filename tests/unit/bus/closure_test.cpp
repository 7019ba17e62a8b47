#include "common/bus/closure.h"

#include <gtest/gtest.h>

#include <optional>

namespace serin::bus {
namespace {

TEST(Closure, FindsItsTargetWhileItLives) {
  auto target = std::make_shared<int>(7);
  std::optional<Closure> closure(std::in_place, target);
  void* const key = closure->key();
  ASSERT_NE(Closure::target<int>(key), nullptr);
  EXPECT_EQ(*Closure::target<int>(key), 7);
  target.reset();
  EXPECT_EQ(Closure::target<int>(key), nullptr) << "the target is gone";
}

TEST(Closure, ALateCallbackFindsNobody) {
  const auto target = std::make_shared<int>(7);
  std::optional<Closure> closure(std::in_place, target);
  void* const key = closure->key();
  closure.reset();
  EXPECT_EQ(Closure::target<int>(key), nullptr);
  const Closure next(target);
  EXPECT_NE(next.key(), key) << "a number is never used twice";
}

}  // namespace
}  // namespace serin::bus
