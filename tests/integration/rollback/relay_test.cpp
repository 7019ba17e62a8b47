#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "agent/rollback/client.h"
#include "schema/wire.h"
#include "tests/integration/rollback/helper_process.h"

namespace serin::agent {
namespace {

using helper::actions_of;
using helper::HelperProcess;
using helper::kSecondUs;
using helper::read_text;
using helper::TestHost;
using helper::turn_until;
using helper::write_text;

const std::vector<std::string> kWholeStory = {"accepted",  "preflight", "switched",
                                              "restarted", "healthy",   "verified"};

/// An agent: client and relay on a loop, and what was emitted.
class Agent {
 public:
  Agent(UvLoop& loop, const std::filesystem::path& socket, int64_t clock_ahead_us = 0)
      : client_(loop.get(), socket),
        relay(
            loop.get(), client_, {"api"}, "web-07",
            [this](Event event) { events.push_back(std::move(event)); },
            [this](const std::string&, const Result<HelperReply>& status) {
              heard = status;
              ++times_heard;
            },
            [clock_ahead_us] { return helper::SystemClock().wall_us() + clock_ahead_us; }) {}

  [[nodiscard]] std::vector<std::string> steps() const {
    std::vector<std::string> names;
    for (const auto& event : events) names.push_back(event.step);
    return names;
  }
  [[nodiscard]] bool saw(std::string_view step) const {
    return std::ranges::find(events, step, &Event::step) != events.end();
  }

  std::vector<Event> events;
  std::optional<Result<HelperReply>> heard;
  int times_heard = 0;

 private:
  HelperClient client_;

 public:
  CommandRelay relay;
};

class RelayTest : public testing::Test {
 protected:
  RelayTest() : process(host) { host.start("v2"); }
  ~RelayTest() override {
    for (const pid_t pid : actions_of(host)) ::kill(pid, SIGKILL);
  }
  void slow_restart(const std::string& seconds) {
    auto script = read_text(host.restart_script());
    script.insert(script.find('\n') + 1, "sleep " + seconds + "\n");
    write_text(host.restart_script(), script, 0755);
  }

  UvLoop loop;
  TestHost host;
  HelperProcess process;
};

TEST_F(RelayTest, ReportsEachStepOnce) {
  process.start();
  Agent agent(loop, process.socket());
  EXPECT_FALSE(agent.relay.acting("api"));
  const auto command = host.command();
  agent.relay.deliver("api", host.sign(command));
  EXPECT_TRUE(agent.relay.acting("api"));
  EXPECT_EQ(agent.relay.cause_of("api", "v1"), Cause::rollback);
  EXPECT_EQ(agent.relay.cause_of("api", "v3"), std::nullopt) << "somebody else's start";
  ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
  EXPECT_EQ(agent.relay.cause_of("api", "v1"), std::nullopt);
  EXPECT_EQ(agent.steps(), kWholeStory);
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(host.starts_of("v1"), 1);
  const Event& last = agent.events.back();
  EXPECT_EQ(last.kind, EventKind::rollback_step);
  EXPECT_EQ(last.service, "api");
  EXPECT_EQ(last.command, command.id);
  EXPECT_EQ(last.deploy, command.deploy);
  EXPECT_EQ(last.version, "v1");
  EXPECT_GT(last.wall_us, 0);
  // The bus hands the last command over again at each reconnect.
  agent.relay.deliver("api", host.sign(command));
  ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
  EXPECT_EQ(agent.steps(), kWholeStory);
  EXPECT_EQ(host.starts_of("v1"), 1);
}

TEST_F(RelayTest, AHelperThatIsKilledLosesNothing) {
  for (const char* moment : {"accepted", "switched", "restarted", "healthy"}) {
    SCOPED_TRACE(moment);
    if (host.running() != "v2") host.start("v2");
    process.start();
    Agent agent(loop, process.socket());
    const int starts = host.starts_of("v1");
    auto command = host.command();
    command.deploy = std::string("api-") + moment;
    command.id = command_id(command.deploy, command.host, command.service, "rollback", 0);
    agent.relay.deliver("api", host.sign(command));
    ASSERT_TRUE(turn_until(loop, [&] { return agent.saw(moment); }));
    process.end();
    turn_until(
        loop, [] { return false; }, 0.3);
    process.start();
    ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
    std::vector<std::string> steps;
    for (const auto& event : agent.events) {
      if (event.command == command.id) steps.push_back(event.step);
    }
    EXPECT_EQ(steps, kWholeStory);
    EXPECT_EQ(host.running(), "v1");
    EXPECT_EQ(host.starts_of("v1"), starts + 1);
    process.end();
  }
}

TEST_F(RelayTest, AnActionThatIsKilledIsContinuedByTheHelper) {
  slow_restart("1");
  process.start();
  Agent agent(loop, process.socket());
  agent.relay.deliver("api", host.sign(host.command()));
  ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("switched"); }));
  const auto actions = actions_of(host);
  ASSERT_EQ(actions.size(), 1U);
  ::kill(actions.front(), SIGKILL);
  ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
  EXPECT_EQ(agent.steps(), kWholeStory);
  EXPECT_EQ(host.running(), "v1");
  EXPECT_EQ(host.starts_of("v1"), 1) << "the restart that was under way was waited for";
}

TEST_F(RelayTest, AnAgentThatIsRestartedReportsWhatCameOfIt) {
  slow_restart("0.5");
  process.start();
  {
    Agent agent(loop, process.socket());
    agent.relay.deliver("api", host.sign(host.command()));
    ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("switched"); }));
  }
  Agent agent(loop, process.socket());
  ASSERT_TRUE(turn_until(loop, [&] { return agent.relay.acting("api"); }));
  EXPECT_EQ(agent.relay.cause_of("api", "v1"), Cause::rollback);
  EXPECT_EQ(agent.relay.cause_of("api", "v2"), std::nullopt);
  ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
  EXPECT_EQ(agent.steps(), kWholeStory);
  Agent later(loop, process.socket());
  ASSERT_TRUE(turn_until(loop, [&] { return later.saw("verified"); }));
  EXPECT_EQ(later.steps(), kWholeStory) << "what ended within the hour is told again";
}

TEST_F(RelayTest, WhatEndedLongAgoIsNotTold) {
  process.start();
  {
    Agent agent(loop, process.socket());
    agent.relay.deliver("api", host.sign(host.command()));
    ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("verified"); }));
  }
  Agent agent(loop, process.socket(), 3700 * kSecondUs);
  turn_until(
      loop, [] { return false; }, 0.5);
  EXPECT_TRUE(agent.events.empty());
  agent.relay.deliver("api", host.sign(host.command()));
  ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("verified"); })) << "but answered when asked";
}

TEST_F(RelayTest, ARefusalIsToldOnceWithItsReason) {
  process.start();
  Agent agent(loop, process.socket());
  auto command = host.command("v2", "v9");
  agent.relay.deliver("api", host.sign(command));
  ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
  ASSERT_EQ(agent.steps(), std::vector<std::string>{"refused"});
  EXPECT_EQ(agent.events[0].reason.rfind("target: ", 0), 0U) << agent.events[0].reason;
  EXPECT_EQ(agent.events[0].command, command.id);
  agent.relay.deliver("api", host.sign(command));
  ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
  EXPECT_EQ(agent.events.size(), 1U);
  command.revision = 2;
  agent.relay.deliver("api", host.sign(command));
  ASSERT_TRUE(turn_until(loop, [&] { return agent.events.size() == 2; })) << "asked anew";
}

TEST_F(RelayTest, WhatIsNoCommandIsRefusedWithoutAskingTheHelper) {
  Agent agent(loop, process.socket());
  agent.relay.deliver("api", Bytes(100, 7));
  agent.relay.deliver("billing", host.sign(host.command()));
  ASSERT_EQ(agent.steps(), (std::vector<std::string>{"refused", "refused"}));
  EXPECT_EQ(agent.events[0].reason.rfind("bad_request: ", 0), 0U) << agent.events[0].reason;
  EXPECT_EQ(agent.events[1].reason.rfind("service: ", 0), 0U) << agent.events[1].reason;
  EXPECT_FALSE(agent.relay.acting("api"));
}

TEST_F(RelayTest, ACommandWaitsForAHelperThatIsNotThereYet) {
  Agent agent(loop, process.socket());
  agent.relay.deliver("api", host.sign(host.command()));
  turn_until(
      loop, [] { return false; }, 0.5);
  EXPECT_TRUE(agent.relay.acting("api"));
  EXPECT_TRUE(agent.events.empty());
  process.start();
  ASSERT_TRUE(turn_until(loop, [&] { return !agent.relay.acting("api"); }));
  EXPECT_EQ(agent.steps(), kWholeStory);
}

TEST_F(RelayTest, AHelperThatNeverAnswersIsToldUntilTheDeadline) {
  Agent agent(loop, process.socket());
  auto command = host.command();
  command.not_after_us = host.clock.wall_us() + 12 * kSecondUs;
  agent.relay.deliver("api", host.sign(command));
  ASSERT_TRUE(turn_until(loop, [&] { return agent.events.size() == 1; }));
  EXPECT_EQ(agent.events[0].reason.rfind("unreachable: ", 0), 0U) << agent.events[0].reason;
  EXPECT_FALSE(agent.relay.acting("api")) << "the end of a process is no longer expected";
  ASSERT_TRUE(turn_until(loop, [&] { return agent.events.size() == 2; }));
  EXPECT_EQ(agent.events[1].reason.rfind("expired: ", 0), 0U) << agent.events[1].reason;
}

Command kind_of(const TestHost& host, CommandKind kind, const std::string& target, int ordinal) {
  Command command = host.command("", target, ordinal);
  command.kind = kind;
  return command;
}

TEST_F(RelayTest, ADrillIsToldAsOneAndBothItsStartsAreItsDoing) {
  process.start();
  Agent agent(loop, process.socket());
  auto command = host.command();
  command.kind = CommandKind::drill;
  agent.relay.deliver("api", host.sign(command));
  EXPECT_EQ(agent.relay.cause_of("api", "v1"), Cause::drill);
  EXPECT_EQ(agent.relay.cause_of("api", "v2"), Cause::drill);
  EXPECT_EQ(agent.relay.cause_of("api", "v3"), std::nullopt);
  // For as long as it goes on: the way back may be over by the next look.
  ASSERT_TRUE(turn_until(loop, [&] {
    const bool acting = agent.relay.acting("api");
    EXPECT_EQ(agent.relay.cause_of("api", "v2"), acting ? std::optional(Cause::drill) : std::nullopt);
    return !acting;
  }));
  EXPECT_EQ(agent.steps(),
            (std::vector<std::string>{"accepted", "preflight", "switched", "restarted", "healthy",
                                      "verified", "back_switched", "back_restarted", "back_healthy",
                                      "back_verified", "drilled"}));
  for (const auto& event : agent.events) {
    EXPECT_EQ(event.kind, EventKind::drill_step) << event.step;
    EXPECT_EQ(event.command, command.id);
  }
  EXPECT_EQ(host.running(), "v2");
  ASSERT_TRUE(turn_until(loop, [&] {
    return agent.heard && *agent.heard && (*agent.heard)->rehearsed_seconds;
  })) << "what it took is known at once";
}

TEST_F(RelayTest, ARefusedDrillIsADrillStep) {
  process.start();
  Agent agent(loop, process.socket());
  auto command = host.command("v2", "v9");
  command.kind = CommandKind::drill;
  agent.relay.deliver("api", host.sign(command));
  ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("refused"); }));
  EXPECT_EQ(agent.events[0].kind, EventKind::drill_step);
}

TEST_F(RelayTest, AConfirmIsNoActAndShowsInTheNextStatus) {
  process.start();
  Agent agent(loop, process.socket());
  ASSERT_TRUE(turn_until(loop, [&] { return agent.times_heard == 1; }));
  EXPECT_EQ((*agent.heard)->ready, Ready::yes);
  EXPECT_EQ((*agent.heard)->confirmed, "");
  agent.relay.deliver("api", host.sign(kind_of(host, CommandKind::confirm, "v2", 1)));
  EXPECT_FALSE(agent.relay.acting("api"));
  EXPECT_EQ(agent.relay.cause_of("api", "v2"), std::nullopt);
  ASSERT_TRUE(turn_until(loop, [&] { return agent.times_heard == 2; }));
  EXPECT_EQ((*agent.heard)->confirmed, "v2");
  EXPECT_TRUE(agent.events.empty());
}

TEST_F(RelayTest, ACancelIsAnsweredEvenWhereAllWasTold) {
  process.start();
  Agent agent(loop, process.socket());
  const auto command = host.command();
  auto cancel = kind_of(host, CommandKind::cancel, "", 2);
  cancel.supersedes = command.id;
  agent.relay.deliver("api", host.sign(cancel));
  ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("cancelled"); }));
  EXPECT_EQ(agent.events[0].command, command.id);
  agent.relay.deliver("api", host.sign(command));
  turn_until(
      loop, [] { return false; }, 0.5);
  EXPECT_EQ(host.running(), "v2");
  const size_t told = agent.events.size();
  agent.relay.deliver("api", host.sign(cancel));
  ASSERT_TRUE(turn_until(loop, [&] { return agent.events.size() > told; }));
  EXPECT_EQ(agent.events.back().step, "cancelled");
}

TEST_F(RelayTest, AnotherVersionMakesItAskAgain) {
  process.start();
  Agent agent(loop, process.socket());
  ASSERT_TRUE(turn_until(loop, [&] { return agent.times_heard == 1; }));
  EXPECT_EQ((*agent.heard)->ready_target, "v1");
  host.start("v1");
  agent.relay.look_again("api");
  agent.relay.look_again("api");
  ASSERT_TRUE(turn_until(loop, [&] { return agent.times_heard == 2; }));
  EXPECT_EQ((*agent.heard)->ready_target, "v2");
}

TEST_F(RelayTest, TheDeadManOnlyLooksAtFirstAndIsThenToldAsARollback) {
  auto text = host.by_symlink();
  text.replace(text.find("10s"), 3, "4s");
  host.describe(text + "\n[dead_man]\nwithin = \"10m\"\n");
  process.start();
  Agent agent(loop, process.socket());
  agent.relay.deliver("api", host.sign(kind_of(host, CommandKind::confirm, "v1", 1)));
  ASSERT_TRUE(turn_until(
      loop, [&] { return agent.heard && *agent.heard && (*agent.heard)->confirmed == "v1"; }));
  write_text(host.root() / "sick-v2", "");
  write_text(host.root() / "sick-v1", "");  // keeps the action at work until it has been looked at
  turn_until(
      loop, [] { return false; }, 4.2);  // v2 has four seconds to become healthy
  agent.relay.hint_dead_man("api");
  ASSERT_TRUE(turn_until(loop, [&] { return !actions_of(host).empty(); }));
  EXPECT_FALSE(agent.relay.acting("api")) << "an end of the process is still an alarm";
  ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("accepted"); }));
  EXPECT_EQ(agent.relay.cause_of("api", "v1"), Cause::dead_man);
  std::filesystem::remove(host.root() / "sick-v1");
  ASSERT_TRUE(turn_until(loop, [&] { return agent.saw("verified"); }));
  EXPECT_EQ(agent.steps(), kWholeStory);
  EXPECT_EQ(agent.events.front().kind, EventKind::rollback_step);
  EXPECT_NE(agent.events.front().reason.find("dead-man"), std::string::npos);
  EXPECT_EQ(agent.events.front().deploy, "");
  EXPECT_EQ(host.running(), "v1");
}

TEST_F(RelayTest, AHintIsNotFollowedWhereRootDoesNotAllowIt) {
  process.start();
  Agent agent(loop, process.socket());
  write_text(host.root() / "sick-v2", "");
  agent.relay.hint_dead_man("api");
  turn_until(
      loop, [] { return false; }, 0.5);
  EXPECT_TRUE(actions_of(host).empty());
  EXPECT_TRUE(agent.events.empty());
  EXPECT_EQ(host.running(), "v2");
}

}  // namespace
}  // namespace serin::agent
