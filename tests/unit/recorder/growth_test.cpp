#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/recorder/growth.h"
#include "tests/unit/recorder/raw_file.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;

class RecorderGrowth : public testing::Test {
 protected:
  RecorderGrowth() {
    head_.classes = 2;
    head_.counters = 2;
    head_.class_names = {"read", "write"};
    head_.counter_names = {"orders", "refunds"};
    before_.resize(head_.used_cells());
    now_.resize(head_.used_cells());
    tally_.business.resize(2);
  }
  uint64_t& cell(size_t class_index, serin_outcome outcome, double seconds) {
    return now_[head_.request_cell(class_index, outcome) +
                static_cast<size_t>(ExpHistogram::index_of(seconds) - ExpHistogram::kMinIndex)];
  }
  Result<uint64_t> add() { return add_growth(head_, before_, now_, rules_, tally_); }
  static RecorderRules::Business rule(size_t place, std::string_view metric) {
    return {.place = place, .metric = {MetricSelector::parse(metric).value()}};
  }

  RecorderHead head_;
  std::vector<uint64_t> before_, now_;
  RecorderRules rules_;
  Tally tally_;
};

TEST_F(RecorderGrowth, CountsEachOutcomeAsItsKind) {
  cell(0, SERIN_OK, 0.1) = 10;
  cell(1, SERIN_SERVER_ERROR, 0.1) = 5;
  cell(0, SERIN_CLIENT_ERROR, 0.2) = 4;
  cell(1, SERIN_ABORTED, 3) = 3;
  cell(0, SERIN_LIMITED, 1e-3) = 2;
  ASSERT_TRUE(add());
  const auto& requests = tally_.requests;
  EXPECT_EQ(requests.requests, 24U);
  EXPECT_EQ(requests.errors, 5U);
  EXPECT_EQ(requests.client, 4U);
  EXPECT_EQ(requests.aborted, 3U);
  EXPECT_EQ(requests.limited, 2U);
  EXPECT_EQ(requests.latency.total(), 24U);
  EXPECT_EQ(requests.latency.at(ExpHistogram::index_of(0.1)), 15U);
  EXPECT_EQ(tally_.failed, 5U);
  EXPECT_EQ(tally_.answered, 21U);  // a client that went away was not answered
}

TEST_F(RecorderGrowth, CountsOnlyWhatCameSinceTheReadingBefore) {
  cell(0, SERIN_OK, 0.1) = 10;
  before_ = now_;
  cell(0, SERIN_OK, 0.1) = 13;
  ASSERT_TRUE(add());
  EXPECT_EQ(tally_.requests.requests, 3U);
}

TEST_F(RecorderGrowth, CountsRequestsSlowerThanTheFixedEdge) {
  rules_.slo_seconds = 0.5;
  cell(0, SERIN_OK, 0.4) = 10;
  cell(0, SERIN_OK, 0.7) = 3;
  cell(1, SERIN_SERVER_ERROR, 30) = 1;
  ASSERT_TRUE(add());
  EXPECT_EQ(tally_.requests.slow_slo, 4U);
}

TEST_F(RecorderGrowth, HasNoLatencyForRequestsOfUnknownDuration) {
  now_[head_.request_cell(0, SERIN_OK) + RecorderHead::kColumns - 1] = 7;
  ASSERT_TRUE(add());
  EXPECT_EQ(tally_.requests.requests, 7U);
  EXPECT_TRUE(tally_.requests.latency.empty());
}

TEST_F(RecorderGrowth, TellsTheApplicationsClassesApartWhereTheServicesFileNamesThem) {
  ServiceFile service;
  service.requests.push_back({.source = "recorder"});
  service.classes = {{.name = "writing", .label = "class", .equals = "write"}};
  rules_ = RecorderRules::of(service, 0);
  cell(0, SERIN_OK, 0.1) = 10;
  cell(1, SERIN_SERVER_ERROR, 0.1) = 5;
  cell(1, SERIN_OK, 0.2) = 2;
  ASSERT_TRUE(add());
  const auto& classes = tally_.requests.classes;
  ASSERT_EQ(classes.size(), 2U);
  EXPECT_EQ(classes[0].name, "other");
  EXPECT_EQ(classes[0].requests, 10U);
  EXPECT_EQ(classes[0].errors, 0U);
  EXPECT_EQ(classes[1].name, "writing");
  EXPECT_EQ(classes[1].requests, 7U);
  EXPECT_EQ(classes[1].errors, 5U);
  EXPECT_EQ(classes[1].latency.at(ExpHistogram::index_of(0.2)), 2U);
  EXPECT_EQ(tally_.requests.requests, 17U);
}

TEST_F(RecorderGrowth, CountsBusinessByCounterAndByClass) {
  rules_.business = {rule(0, "orders"), rule(1, R"(requests{class="write",outcome="ok"})")};
  now_[head_.counter_cell(0)] = 12;
  now_[head_.counter_cell(1)] = 99;
  cell(1, SERIN_OK, 0.1) = 8;
  cell(1, SERIN_SERVER_ERROR, 0.1) = 1;
  cell(0, SERIN_OK, 0.1) = 30;
  ASSERT_TRUE(add());
  EXPECT_EQ(tally_.business, (std::vector<double>{12, 8}));
}

TEST_F(RecorderGrowth, TellsOfCallsThatNamedWhatIsNotThere) {
  now_[head_.misuse_cell()] = 4;
  EXPECT_EQ(add().value(), 4U);
}

TEST_F(RecorderGrowth, OfADamagedFileAddsNothing) {
  cell(0, SERIN_OK, 0.1) = 10;
  before_ = now_;
  cell(0, SERIN_OK, 0.1) = 9;
  cell(0, SERIN_OK, 0.2) = 5;
  EXPECT_THAT(add().error().message, HasSubstr("went back"));
  cell(0, SERIN_OK, 0.1) = UINT64_MAX;
  EXPECT_THAT(add().error().message, HasSubstr("jumped"));
  EXPECT_TRUE(tally_.empty());
}

TEST_F(RecorderGrowth, StandsTheMostThatAllCountersMayGrowAtOnce) {
  head_.classes = SERIN_RECORDER_MOST_CLASSES;
  head_.class_names.resize(head_.classes);
  before_.assign(head_.used_cells(), 0);
  now_.resize(head_.used_cells());
  now_.assign(now_.size(), uint64_t{1} << 33);
  ASSERT_TRUE(add());
  EXPECT_EQ(tally_.requests.requests, (uint64_t{1} << 33) * 16 * 5 * 298);
}

}  // namespace
}  // namespace serin::agent
