#include "agent/sampler/readiness_facts.h"

#include <gtest/gtest.h>

#include "schema/fact.h"

namespace serin::agent {
namespace {

class ReadinessFacts : public testing::Test {
 protected:
  FactBook book{"api", [](const Event&, const Moment&) {}};
};

TEST_F(ReadinessFacts, TellWhatTheHelperSays) {
  HelperReply status{.ready = Ready::yes, .ready_target = "v1"};
  status.rehearsed_seconds = 1.94;
  status.rehearsed_wall_us = 1'790'000'000'000'000;
  status.dead_man_seconds = 600;
  status.confirmed = "v2";
  tell_readiness(book, status);
  EXPECT_EQ(book.find("rollback.ready"), "yes");
  EXPECT_EQ(book.find("rollback.target"), "v1");
  EXPECT_EQ(book.find("rollback.rehearsed_seconds"), "1.9");
  EXPECT_EQ(book.find("rollback.rehearsed_at"), "2026-09-21T14:13:20Z");
  EXPECT_EQ(book.find("dead_man.seconds"), "600");
  EXPECT_EQ(book.find("dead_man.confirmed"), "v2");
}

TEST_F(ReadinessFacts, WhatNoLongerHoldsIsTakenBack) {
  HelperReply status{.ready = Ready::yes, .ready_target = "v1"};
  status.dead_man_seconds = 600;
  tell_readiness(book, status);
  tell_readiness(book, HelperReply{.ready = Ready::no, .ready_text = "held: migration"});
  EXPECT_EQ(book.find("rollback.ready"), "no: held: migration");
  EXPECT_EQ(book.find("rollback.target"), "");
  EXPECT_EQ(book.find("dead_man.seconds"), "");
}

TEST_F(ReadinessFacts, AHelperThatDoesNotAnswerIsNotReady) {
  tell_readiness(book, fail("helper at /run/x: no such file"));
  EXPECT_EQ(book.find("rollback.ready"), "no: helper at /run/x: no such file");
}

TEST_F(ReadinessFacts, AnOlderHelperSaysNothingEitherWay) {
  tell_readiness(book, HelperReply{});
  EXPECT_TRUE(fact::is_absent(book.find("rollback.ready"))) << book.find("rollback.ready");
}

}  // namespace
}  // namespace serin::agent
