#include <fmt/core.h>
#include <gtest/gtest.h>
#include <time.h>

#include "agent/request/access_log.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNoon = 1'795'176'000 * kSecond;

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

class AccessLogTest : public testing::Test {
 protected:
  ServiceFile service(std::string format = "$msec $status $request_time $release $path") {
    ServiceFile file;
    file.name = "api";
    file.requests.push_back(
        {.source = "access_log", .path = folder_ / "access.log", .format = std::move(format)});
    return file;
  }
  AccessLog open(const ServiceFile& file) {
    auto log = AccessLog::make(file, 0, folder_.path(), "boot");
    EXPECT_TRUE(log) << (log ? "" : log.error().message);
    return std::move(*log);
  }
  /// A line logged at noon + `at` seconds.
  void line(double at, int status, double took, std::string_view release = "-",
            std::string_view path = "/") {
    append_text(folder_ / "access.log",
                fmt::format("{:.3f} {} {:.3f} {} {}\n", static_cast<double>(kNoon) / 1e6 + at,
                            status, took, release, path));
  }
  std::vector<Tally> poll(AccessLog& log, double at) {
    log.poll(timeline_, kNoon + static_cast<int64_t>(at * 1e6), tallies_);
    return tallies_.take_before(UINT32_MAX);
  }

  TempFolder folder_;
  Timeline timeline_;
  Tallies tallies_{1};
};

TEST_F(AccessLogTest, ClassesOfErrorsAreToldApart) {
  write_text(folder_ / "access.log", "");
  auto log = open(service());
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  for (int status : {200, 301, 404, 429, 499, 500, 503, 0}) {
    append_text(folder_ / "access.log",
                fmt::format("{}.5 {:03} 0.100 - /\n", kNoon / kSecond, status));
  }
  append_text(folder_ / "access.log", fmt::format("{}.5 - 0.100 - /\n", kNoon / kSecond));
  auto tallies = poll(log, 1);
  ASSERT_EQ(tallies.size(), 1U);
  const auto& sum = tallies[0].requests;
  EXPECT_EQ(sum.requests, 9U);
  EXPECT_EQ(sum.errors, 4U);  // 500, 503, 000 and none
  EXPECT_EQ(sum.aborted, 1U);
  EXPECT_EQ(sum.limited, 1U);
  EXPECT_EQ(sum.client, 1U);
  EXPECT_EQ(sum.latency.total(), 9U);
  EXPECT_EQ(tallies[0].answered, 5U);  // 200, 301, 404, 429, 500
}

TEST_F(AccessLogTest, ARequestBelongsToTheGenerationThatRanWhenItBegan) {
  write_text(folder_ / "access.log", "");
  auto log = open(service());
  auto old_one = timeline_.begin("g1", "v1", kNoon - 100 * kSecond);
  auto gap = timeline_.begin("", "", kNoon + 10 * kSecond);
  auto new_one = timeline_.begin("g2", "v2", kNoon + 11 * kSecond);
  poll(log, 11);
  line(11.5, 502, 3.0);  // began at 8.5
  line(11.5, 502, 1.0);  // began at 10.5
  line(11.5, 200, 0.1);
  auto tallies = poll(log, 12);
  ASSERT_EQ(tallies.size(), 3U);
  EXPECT_EQ(tallies[0].span, old_one);
  EXPECT_EQ(tallies[1].span, gap);
  EXPECT_EQ(tallies[2].span, new_one);
  EXPECT_EQ(tallies[2].requests.errors, 0U);
}

TEST_F(AccessLogTest, ATimeInWholeSecondsNeverBlamesAnEndedProcess) {
  auto file = service("[$time_local] $status $request_time");
  write_text(folder_ / "access.log", "");
  auto log = open(file);
  timeline_.begin("g1", "v1", kNoon - 100 * kSecond);
  auto second = timeline_.begin("g2", "v2", kNoon + 400'000);
  poll(log, 0.4);
  append_text(folder_ / "access.log", "[20/Nov/2026:12:00:00 +0000] 500 0.010\n");
  auto tallies = poll(log, 1);
  ASSERT_EQ(tallies.size(), 1U);
  EXPECT_EQ(tallies[0].span, second);
}

TEST_F(AccessLogTest, AVersionFieldTellsSideBySideGenerationsApart) {
  auto file = service();
  file.requests[0].version_field = "$release";
  write_text(folder_ / "access.log", "");
  auto log = open(file);
  auto one = timeline_.begin("g1", "v1", kNoon - 100 * kSecond);
  auto two = timeline_.begin("g2", "v2", kNoon);
  poll(log, 0);
  line(5, 200, 0.1, "v1");
  line(5, 200, 0.1, "v2");
  line(5, 200, 0.1, "-");
  line(5, 200, 0.1, "v9");
  auto tallies = poll(log, 6);
  ASSERT_EQ(tallies.size(), 3U);
  EXPECT_EQ(tallies[0].span, 0U);  // v9: nobody's
  EXPECT_EQ(tallies[1].span, one);
  EXPECT_EQ(tallies[2].span, two);
  EXPECT_EQ(tallies[2].requests.requests, 2U);
}

TEST_F(AccessLogTest, BusinessCountersCountSuccessesOnly) {
  auto file = service();
  file.business.push_back({.name = "orders", .field = "$path", .equals = "/checkout"});
  write_text(folder_ / "access.log", "");
  auto log = open(file);
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  line(1, 200, 0.1, "-", "/checkout");
  line(1, 302, 0.1, "-", "/checkout");
  line(1, 500, 0.1, "-", "/checkout");
  line(1, 200, 0.1, "-", "/");
  auto tallies = poll(log, 2);
  ASSERT_EQ(tallies.size(), 1U);
  EXPECT_EQ(tallies[0].business[0], 2U);
}

TEST_F(AccessLogTest, ClassesOfRequestsAreToldApartThroughARotationAndOverSeveralLogs) {
  auto file = service();
  file.requests.push_back(
      {.source = "access_log", .path = folder_ / "second.log", .format = "$status $path"});
  file.classes = {{.name = "home", .field = "$path", .equals = "/"},
                  {.name = "checkout", .field = "$path", .prefix = "/checkout"}};
  write_text(folder_ / "access.log", "");
  write_text(folder_ / "second.log", "");
  auto log = open(file);
  auto second = AccessLog::make(file, 1, folder_.path(), "boot");
  ASSERT_TRUE(second) << second.error().message;
  timeline_.begin("g1", "v1", kNoon);
  second->poll(timeline_, kNoon, tallies_);
  poll(log, 0);
  line(1, 200, 0.1, "-", "/checkout/1");
  line(1, 500, 0.2, "-", "/checkout/2");
  std::filesystem::rename(folder_ / "access.log", folder_ / "access.log.1");
  line(1, 200, 0.3, "-", "/");
  line(1, 404, 0.3, "-", "/search");
  append_text(folder_ / "second.log", "503 /\n200 -\n");
  second->poll(timeline_, kNoon + kSecond, tallies_);
  auto tallies = poll(log, 1);
  ASSERT_EQ(tallies.size(), 1U);
  const auto& classes = tallies[0].requests.classes;
  ASSERT_EQ(classes.size(), 3U);
  EXPECT_EQ(classes[0].name, "checkout");
  EXPECT_EQ(classes[0].requests, 2U);
  EXPECT_EQ(classes[0].errors, 1U);
  EXPECT_EQ(classes[0].latency.total(), 2U);
  EXPECT_EQ(classes[0].latency.at(ExpHistogram::index_of(0.2)), 1U);
  EXPECT_EQ(classes[1].name, "home");
  EXPECT_EQ(classes[1].requests, 2U);
  EXPECT_EQ(classes[1].errors, 1U);
  EXPECT_EQ(classes[1].latency.total(), 1U);  // the second log has no durations
  EXPECT_EQ(classes[2].name, "other");
  EXPECT_EQ(classes[2].requests, 2U);
  EXPECT_EQ(classes[2].errors, 0U);
  EXPECT_EQ(tallies[0].requests.requests, 6U);
}

TEST_F(AccessLogTest, AClassAndABusinessCounterMayLookAtTheSameField) {
  auto file = service("$status \"$request\"");
  file.business.push_back({.name = "orders", .field = "$uri", .equals = "/checkout"});
  file.classes = {{.name = "checkout", .field = "$uri", .prefix = "/checkout"}};
  write_text(folder_ / "access.log", "");
  auto log = open(file);
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  append_text(folder_ / "access.log",
              "200 \"GET /checkout?x=/ HTTP/1.1\"\n200 \"GET /a?b=/checkout HTTP/1.1\"\n");
  auto tallies = poll(log, 1);
  ASSERT_EQ(tallies.size(), 1U);
  EXPECT_EQ(tallies[0].business[0], 1);
  ASSERT_EQ(tallies[0].requests.classes.size(), 2U);
  EXPECT_EQ(tallies[0].requests.classes[0].requests, 1U);
  file.classes[0].field = "$nonsense";
  auto made = AccessLog::make(file, 0, folder_.path(), "boot");
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("holds no $nonsense"), std::string::npos);
}

TEST_F(AccessLogTest, WithoutClassesNoneAreTold) {
  write_text(folder_ / "access.log", "");
  auto log = open(service());
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  line(1, 200, 0.1);
  auto tallies = poll(log, 1);
  ASSERT_EQ(tallies.size(), 1U);
  EXPECT_TRUE(tallies[0].requests.classes.empty());
}

TEST_F(AccessLogTest, SlowRequestsAreCountedAgainstTheServicesOwnEdge) {
  auto file = service();
  file.requests[0].slo_seconds = 0.25;
  write_text(folder_ / "access.log", "");
  auto log = open(file);
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  line(1, 200, 0.25);
  line(1, 200, 0.251);
  EXPECT_EQ(poll(log, 2)[0].requests.slow_slo, 1U);
}

TEST_F(AccessLogTest, GarbageIsCountedAndHurtsNobody) {
  write_text(folder_ / "access.log", "");
  auto log = open(service());
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  append_text(folder_ / "access.log", std::string("\0\0\0\n\xff\xc0\xaf\nnonsense\n\n", 18));
  line(1, 200, 0.1);
  line(-3600, 200, 0.1);
  append_text(folder_ / "access.log", std::string("\0\0", 2));
  line(1, 200, 0.1);
  auto tallies = poll(log, 2);
  ASSERT_EQ(tallies.size(), 1U);
  EXPECT_EQ(tallies[0].requests.requests, 2U);
  EXPECT_EQ(log.lines().unparsed(), 2U);
  EXPECT_EQ(log.lines().late(), 1U);
  EXPECT_EQ(log.skipped(), 3U);
  EXPECT_EQ(log.lines().last_unparsed(), "nonsense");
}

TEST_F(AccessLogTest, WhileItLagsBehindItSaysSoAndThatItsCountsAreNotWhole) {
  write_text(folder_ / "access.log", "");
  auto log = open(service());
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  EXPECT_TRUE(log.is_complete());
  std::filesystem::resize_file(folder_ / "access.log", FileTail::kMaxBytesPerPoll + (1U << 20));
  append_text(folder_ / "access.log", "\n");
  line(1, 200, 0.1);
  EXPECT_TRUE(poll(log, 1).empty());
  EXPECT_FALSE(log.is_complete());
  EXPECT_NE(log.problem().find("access.log: it grew by more than 16 MiB"), std::string::npos);
  EXPECT_EQ(poll(log, 2).size(), 1U);
  EXPECT_TRUE(log.is_complete());
  EXPECT_EQ(log.problem(), "");
}

TEST_F(AccessLogTest, ARestartOfTheAgentCountsEveryLineOnce) {
  write_text(folder_ / "access.log", "");
  timeline_.begin("g1", "v1", kNoon);
  {
    auto log = open(service());
    poll(log, 0);
    line(1, 200, 0.1);
    EXPECT_EQ(poll(log, 1).size(), 1U);
    log.commit(77);
    line(2, 500, 0.1);
    poll(log, 2);  // read, but the agent dies before it hands this on
  }
  line(3, 200, 0.1);
  auto log = open(service());
  EXPECT_EQ(log.resumed_from_us(), 77U);
  auto tallies = poll(log, 3);
  ASSERT_EQ(tallies.size(), 1U);
  EXPECT_EQ(tallies[0].requests.requests, 2U);
  EXPECT_EQ(tallies[0].requests.errors, 1U);
}

TEST_F(AccessLogTest, ADamagedPlaceOrAnotherBootCountsAsNone) {
  write_text(folder_ / "access.log", "");
  {
    auto log = open(service());
    poll(log, 0);
    log.commit(77);
  }
  auto other_boot = AccessLog::make(service(), 0, folder_.path(), "another");
  ASSERT_TRUE(other_boot);
  EXPECT_FALSE(other_boot->resumed_from_us());
  write_text(folder_ / "tail-api-0", "0123456789abcdef serin-tail-1 boot 1 2 3 4 00 /x\n");
  EXPECT_FALSE(open(service()).resumed_from_us());
}

TEST_F(AccessLogTest, ReadsHalfAMillionLinesASecond) {
  std::string lines;
  for (int i = 0; i < 100'000; ++i)
    lines += fmt::format(
        "10.1.2.{} - - [20/Nov/2026:12:00:{:02} +0000] \"GET /product/{} HTTP/1.1\" 200 {} "
        "0.{:06}\n",
        i % 250, i % 60, i, i % 9999, i % 999'999);
  write_text(folder_ / "access.log", "");
  auto log = open(service(
      R"($remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time)"));
  timeline_.begin("g1", "v1", kNoon);
  poll(log, 0);
  append_text(folder_ / "access.log", lines);
  double start = cpu_seconds();
  auto tallies = poll(log, 60);
  double took = cpu_seconds() - start;
  ASSERT_EQ(tallies.size(), 1U);
  EXPECT_EQ(tallies[0].requests.requests, 100'000U);
  RecordProperty("lines_per_cpu_second", static_cast<int>(100'000 / took));
#ifdef NDEBUG
  EXPECT_LT(took, 0.2) << 100'000 / took << " lines a second";
#endif
}

}  // namespace
}  // namespace serin::agent
