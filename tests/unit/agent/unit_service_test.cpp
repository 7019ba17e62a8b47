#include "agent/service/unit_service.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/service/cgroup_watch.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/scripted_units.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::ElementsAre;

/// Blue and green.
class UnitServiceTest : public testing::Test {
 protected:
  UnitServiceTest() { make({"blue.service", "green.service"}); }
  void make(std::vector<std::string> units) {
    service_ = std::make_unique<UnitService>(
        units_, units, CgroupRoots{},
        UnitService::Handlers{
            .began = [this](const UnitProcess& p) { told_.push_back("began " + p.generation); },
            .ended =
                [this](const UnitEnd& e) {
                  told_.push_back("ended " + e.generation + (e.replaced ? " replaced" : ""));
                },
            .carried_on = [this](const UnitProcess&) { told_.emplace_back("carried on"); },
            .failed = [this](const std::string& reason) { told_.push_back("failed " + reason); },
            .rests = [this](bool asked) { told_.emplace_back(asked ? "rests asked" : "rests"); }});
  }
  std::vector<std::string> take() { return std::exchange(told_, {}); }
  static UnitWord never_started(std::string unit) {
    UnitWord word = running_unit(std::move(unit), "", 0, 0);
    word.active_state = "inactive";
    return word;
  }

  ScriptedUnits units_;
  std::vector<std::string> told_;
  std::unique_ptr<UnitService> service_;
};

TEST_F(UnitServiceTest, TheUnitThatWasStartedLastIsTheService) {
  auto blue = running_unit("blue.service", "b1", 10, 1);
  units_.say(blue);
  units_.say(running_unit("green.service", "g1", 20, 2));
  EXPECT_TRUE(service_->side_by_side());
  EXPECT_THAT(take(), ElementsAre("began blue.service:b1", "ended blue.service:b1 replaced",
                                  "began green.service:g1"));
  units_.say(stopped_unit(blue, 5, 6));
  EXPECT_FALSE(service_->side_by_side());
  EXPECT_THAT(take(), ElementsAre());
}

TEST_F(UnitServiceTest, WhenTheNewerOneEndsTheOlderThatStillRunsIsTheServiceAgain) {
  units_.say(running_unit("blue.service", "b1", 10, 1));
  auto green = running_unit("green.service", "g1", 20, 2);
  units_.say(green);
  take();
  units_.say(stopped_unit(green, 5, 6));
  EXPECT_THAT(take(), ElementsAre("ended green.service:g1", "began blue.service:b1"));
}

TEST_F(UnitServiceTest, AnIdleUnitThatFailsIsNotTheServicesFailure) {
  units_.say(running_unit("blue.service", "b1", 10, 1));
  take();
  auto green = stopped_unit(running_unit("green.service", "g1", 20, 2), 0, 3);
  green.active_state = "failed";
  green.result = "exit-code";
  units_.say(green);
  EXPECT_THAT(take(), ElementsAre());
}

TEST_F(UnitServiceTest, NothingRunsOnlyOnceEveryUnitHasSaidSo) {
  units_.say(never_started("blue.service"));
  EXPECT_FALSE(service_->heard());
  EXPECT_THAT(take(), ElementsAre());
  units_.say(never_started("green.service"));
  EXPECT_TRUE(service_->heard());
  EXPECT_THAT(take(), ElementsAre("rests asked"));
}

TEST_F(UnitServiceTest, AnEndThatTheKernelTellsOfIsAskedAbout) {
  units_.say(running_unit("blue.service", "b1", 10, 1));
  service_->process_ended({});
  EXPECT_TRUE(service_->awaits_word());
  EXPECT_THAT(units_.asked, ElementsAre("blue.service"));
}

TEST_F(UnitServiceTest, AWordThatComesAfterTheServiceIsGoneIsDropped) {
  service_.reset();
  units_.say(running_unit("blue.service", "b1", 10, 1));
  EXPECT_THAT(take(), ElementsAre());
}

/// A control group as files; the kernel's notice of a change is a write to them.
class CgroupWatchTest : public testing::Test {
 protected:
  CgroupWatchTest() {
    write_text(folder_ / "cgroup.events", "populated 1\nfrozen 0\n");
    write_text(folder_ / "memory.events", "low 0\noom 0\noom_kill 3\n");
    auto made = CgroupWatch::make(
        loop_.get(), {.emptied = [this] { ++emptied_; },
                      .killed_for_memory = [this](uint64_t kills) { kills_ += kills; }});
    EXPECT_TRUE(made);
    watch_ = std::move(*made);
    watch_->follow(folder_.path());
  }
  TempFolder folder_;
  UvLoop loop_;
  int emptied_ = 0;
  uint64_t kills_ = 0;
  std::unique_ptr<CgroupWatch> watch_;
};

TEST_F(CgroupWatchTest, KillsSinceItWasFollowedAreTold) {
  write_text(folder_ / "memory.events", "low 0\noom 1\noom_kill 5\n");
  EXPECT_TRUE(run_until(loop_, [&] { return kills_ > 0; }));
  EXPECT_EQ(kills_, 2U);
  EXPECT_EQ(emptied_, 0);
}

TEST_F(CgroupWatchTest, AnEmptyGroupIsTold) {
  write_text(folder_ / "cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_TRUE(run_until(loop_, [&] { return emptied_ > 0; }));
  EXPECT_EQ(kills_, 0U);
}

TEST_F(CgroupWatchTest, WithoutAMemoryControllerTheRestIsHeard) {
  std::filesystem::remove(folder_ / "memory.events");
  watch_->follow(folder_.path());
  write_text(folder_ / "cgroup.events", "populated 0\n");
  EXPECT_TRUE(run_until(loop_, [&] { return emptied_ > 0; }));
}

}  // namespace
}  // namespace serin::agent
