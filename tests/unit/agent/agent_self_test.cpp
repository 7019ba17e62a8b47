#include "agent/sampler/agent_self.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sampler/check_report.h"
#include "common/file.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;

TEST(AgentSelfTest, TellsWhatTheLoopAndTheUplinkCounted) {
  const auto self = agent_self({.acked = 11, .ring_dropped = 3},
                               {.lines_skipped = 5, .late_ticks = 2, .worst_late_us = 7});
  EXPECT_EQ(self.messages_sent, 11U);
  EXPECT_EQ(self.ring_dropped, 3U);
  EXPECT_EQ(self.lines_skipped, 5U);
  EXPECT_EQ(self.late_ticks, 2U);
  EXPECT_EQ(self.worst_late_us, 7U);
  EXPECT_GT(self.rss_bytes, 0U);
}

TEST(AgentSelfTest, ItsMetricsAreEachDescribedAndWrittenWhole) {
  TempFolder folder;
  MetricsFile file(folder / "serin.prom");
  file.write({.version = "0.1.0", .cpu_seconds = 1.5, .late_ticks = 2}, {.connected = true});
  const auto text = read_file(folder / "serin.prom", 65536).value_or("");
  EXPECT_THAT(text, HasSubstr("# TYPE serin_agent_cpu_seconds_total counter\n"
                              "serin_agent_cpu_seconds_total 1.5\n"));
  EXPECT_THAT(text, HasSubstr("serin_agent_late_ticks_total 2\n"));
  EXPECT_THAT(text, HasSubstr("serin_agent_connected 1\n"));
  EXPECT_THAT(text, HasSubstr("serin_agent_info{version=\"0.1.0\"} 1\n"));
}

TEST(CheckReportTest, IsGoodWithoutABadLineAndSaysTheSameInBothForms) {
  using Mark = ServiceCheck::Line::Mark;
  CheckReport report{.version = "0.1.0", .host = "web-07", .config = "/etc/x", .parts = {{}}};
  report.parts[0].lines = {{Mark::good, "nats", "answers", {}}};
  report.parts.push_back({"api", {{Mark::note, "requests", "none \"yet\"", "add one"}}});
  EXPECT_TRUE(report.is_good());
  report.parts[1].lines.push_back({Mark::bad, "process", "nothing runs", "start it"});
  EXPECT_FALSE(report.is_good());
  EXPECT_THAT(report.text(), HasSubstr("BAD  process    nothing runs\n"));
  EXPECT_THAT(report.text(), HasSubstr("fix: start it\n"));
  EXPECT_EQ(report.json(),
            R"({"version":"0.1.0","host":"web-07","config":"/etc/x","good":false,)"
            R"("lines":[{"mark":"ok","topic":"nats","text":"answers"}],)"
            R"("services":[{"name":"api","good":false,"lines":[)"
            R"({"mark":"note","topic":"requests","text":"none \"yet\"","fix":"add one"},)"
            R"({"mark":"bad","topic":"process","text":"nothing runs","fix":"start it"}]}]})");
}

}  // namespace
}  // namespace serin::agent
