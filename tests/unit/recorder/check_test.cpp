#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sampler/recorder_check.h"
#include "tests/unit/agent/temp_folder.h"
#include "tests/unit/recorder/raw_file.h"
#include "tests/unit/recorder/recorders.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;
using Mark = ServiceCheck::Line::Mark;

/// This process itself is the service.
class RecorderCheck : public testing::Test {
 protected:
  RecorderCheck() {
    service_.name = "api";
    service_.process = ServiceFile::ByPidFile{"/run/api.pid"};
    service_.requests.push_back({.source = "recorder", .path = folder_.path()});
  }
  std::vector<ServiceCheck::Line> check() {
    serin_recorder_header self{};
    ::serin_recorder_sign(&self);
    Timeline timeline;
    timeline.begin(fmt::format("{}:{}:{}", self.boot_id, self.pid, self.start_ticks), "", 0);
    return check_recorder(service_, 0, timeline, self.boot_id);
  }

  TempFolder folder_;
  ServiceFile service_;
};

TEST_F(RecorderCheck, TellsHowManyProcessesRecordAndHowMuch) {
  auto recorder = open_recorder(folder_.path());
  for (int i = 0; i < 7; ++i) ::serin_record(recorder.get(), SERIN_OK, 1);
  auto lines = check();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].mark, Mark::good);
  EXPECT_EQ(lines[0].text, "1 process of it records: 7 requests so far");
}

TEST_F(RecorderCheck, SaysWhatToDoWhereNothingIsRecorded) {
  auto lines = check();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].mark, Mark::bad);
  EXPECT_THAT(lines[0].text, HasSubstr("must call serin_recorder_open"));
  service_.requests[0].path = folder_ / "nowhere";
  EXPECT_THAT(check().at(0).text, HasSubstr("No such file"));
}

TEST_F(RecorderCheck, NamesEachFileThatIsNotCountedWithTheReasonAndRemovesNone) {
  auto recorder = open_recorder(folder_.path());
  RawFile other(1, 1);
  other.header.version = 7;
  other.write_to(folder_.path());
  write_text(folder_ / "api.999999.0123456789abcdef", "garbage");
  auto lines = check();
  EXPECT_EQ(names_in(folder_.path()).size(), 3U);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].mark, Mark::good);
  EXPECT_THAT(lines,
              testing::Contains(testing::Field(&ServiceCheck::Line::text, HasSubstr("version 7"))));
  EXPECT_THAT(lines, testing::Contains(
                         testing::Field(&ServiceCheck::Line::text, HasSubstr("no recorder file"))));
}

}  // namespace
}  // namespace serin::agent
