#include "agent/sampler/unit_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;
using Mark = ServiceCheck::Line::Mark;

class UnitCheckTest : public testing::Test {
 protected:
  UnitCheckTest() {
    write_text(mounts_ / "cgroup.procs", "");
    roots_ = CgroupRoots::of_this_machine(mounts_.path());
    word_.unit = "api.service";
    word_.load_state = "loaded";
    word_.active_state = "active";
    word_.sub_state = "running";
    word_.cgroup = "/system.slice/api.service";
    word_.main_pid = 1;
  }
  std::vector<ServiceCheck::Line> check() { return check_unit("api.service", word_, "", roots_); }

  TempFolder mounts_;
  CgroupRoots roots_;
  UnitWord word_;
};

TEST_F(UnitCheckTest, WhatRunsAndCanBeReadIsGood) {
  write_text(mounts_ / "system.slice/api.service/cgroup.procs", "1\n2\n");
  write_text(mounts_ / "system.slice/api.service/cpu.stat", "usage_usec 1\n");
  auto lines = check();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].mark, Mark::good);
  EXPECT_EQ(lines[1].mark, Mark::good);
  EXPECT_THAT(lines[1].text, HasSubstr("2 processes"));
  EXPECT_THAT(lines[1].text, HasSubstr("does not count memory, threads"));
}

TEST_F(UnitCheckTest, AControlGroupThatCannotBeReadIsWrong) {
  EXPECT_EQ(check().at(1).mark, Mark::bad);
}

TEST_F(UnitCheckTest, AUnitThatIsNotThereComesWithWhatToDo) {
  word_ = {};
  word_.unit = "api.service";
  word_.load_state = "not-found";
  auto lines = check();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].mark, Mark::bad);
  EXPECT_THAT(lines[0].fix, HasSubstr("systemctl daemon-reload"));
}

TEST_F(UnitCheckTest, AUnitThatCannotBeLoadedIsWrongWithSystemdsReason) {
  word_.load_state = "bad-setting";
  word_.load_error = "Unit api.service has a bad unit file setting.";
  EXPECT_EQ(check().at(0).mark, Mark::bad);
  EXPECT_THAT(check().at(0).text, HasSubstr("bad unit file setting"));
  word_.load_state = "masked";
  EXPECT_THAT(check().at(0).fix, HasSubstr("systemctl unmask api.service"));
}

TEST_F(UnitCheckTest, AFailedUnitNamesItsResultAndWhereToLook) {
  word_.active_state = word_.sub_state = "failed";
  word_.main_pid = 0;
  word_.result = "exit-code";
  auto lines = check();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].mark, Mark::bad);
  EXPECT_THAT(lines[0].text, HasSubstr("exit-code"));
  EXPECT_THAT(lines[0].fix, HasSubstr("journalctl -u api.service"));
}

TEST_F(UnitCheckTest, WithoutAWordThereIsAReason) {
  auto lines = check_unit("api.service", std::nullopt, "no bus: start dbus", roots_);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].mark, Mark::bad);
  EXPECT_EQ(lines[0].text, "api.service: no bus: start dbus");
}

}  // namespace
}  // namespace serin::agent
