#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "aggregator/render/render.h"
#include "ctl/api/views.h"
#include "ctl/show/explain.h"
#include "tests/sim/fleet/fleet.h"

// One explanation, wherever people read it: the audit, the alert, the API and the command line.

namespace serin::ctl {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

/// Lines are broken for a terminal; the words are the same.
std::string unbroken(const std::string& text) {
  return std::regex_replace(text, std::regex("\\s+"), " ");
}

sim::Fleet judged(const sim::Release& release, double seconds) {
  PolicySet policy;
  policy.fallback.watch_window_seconds = 90;
  policy.fallback.baseline_age_seconds = 20;
  sim::Fleet fleet(sim::World{.seed = 4}, policy);
  fleet.releases["v2"] = release;
  fleet.at(60, [](sim::Fleet& f) { f.start(0, "v2"); });
  fleet.run_until(seconds);
  return fleet;
}

/// What `serinctl explain` prints of the newest deploy, by way of the API's JSON.
std::string printed(const sim::Fleet& fleet) {
  const auto view = fleet.fold().deploy(fleet.fold().deploys().front().id);
  return unbroken(explain(read_deploy(render::deploy(*view)).value()));
}

TEST(Explanation, OfARollbackIsTheSameInAuditAlertApiAndCommandLine) {
  const sim::Fleet fleet = judged({.add_errors = 0.1}, 90);
  const Decision* decision = fleet.find(DecisionKind::rollback, "v2");
  ASSERT_NE(decision, nullptr);
  const std::string& text = decision->reason.text;
  EXPECT_THAT(text, HasSubstr("errors"));
  EXPECT_THAT(text, HasSubstr("on 5 hosts: x"));
  EXPECT_THAT(text, HasSubstr("was enough"));

  const auto alert =
      std::ranges::find(fleet.notifications(), "rollback", &core::Notification::kind);
  ASSERT_NE(alert, fleet.notifications().end());
  EXPECT_THAT(alert->text, HasSubstr(text));
  EXPECT_EQ(Json::parse(render::webhook_body(*alert, ""))["reason"]["text"], text);

  const auto view = *fleet.fold().deploy(decision->deploy);
  const Json evidence = Json::parse(render::evidence(view));
  EXPECT_EQ(evidence["text"], text);
  EXPECT_EQ(evidence["metrics"][0]["text"], text) << "the metric that decided says it too";
  EXPECT_EQ(evidence["metrics"][0]["fired"], true);
  EXPECT_THAT(printed(fleet), HasSubstr(text));
}

TEST(Explanation, OfEveryMetricIsPrintedAsTheApiHoldsIt) {
  const sim::Fleet fleet = judged({}, 120);
  const auto view = *fleet.fold().deploy(fleet.fold().deploys().front().id);
  ASSERT_GE(view.metrics.size(), 4u);
  const std::string text = printed(fleet);
  for (const auto& metric : view.metrics) {
    EXPECT_FALSE(metric.text.empty());
    EXPECT_THAT(text, HasSubstr(metric.text));
  }
}

TEST(Explanation, NamesWhatIsNotJudgedAndWhy) {
  const sim::Fleet fleet = judged({}, 80);
  const auto view = *fleet.fold().deploy(fleet.fold().deploys().front().id);
  const auto fds = std::ranges::find(view.absent, "fds", &Absent::metric);
  ASSERT_NE(fds, view.absent.end());
  EXPECT_THAT(fds->reason, HasSubstr("did not report"));
  EXPECT_EQ(std::ranges::find(view.absent, "latency", &Absent::metric), view.absent.end());
  EXPECT_THAT(printed(fleet), HasSubstr("fds: " + fds->reason));
}

TEST(Explanation, NamesWhatElseDiffers) {
  sim::Fleet fleet(sim::World{.seed = 4}, PolicySet{});
  fleet.at(10, [](sim::Fleet& f) {
    for (int host = 0; host < f.hosts(); ++host) {
      f.fact(host, "kernel.release", host == 0 ? "6.1.0-21" : "6.1.0-18");
      f.fact(host, "config./etc/api.toml", "aaaa");
    }
  });
  fleet.at(60, [](sim::Fleet& f) {
    f.start(0, "v2");
    f.fact(0, "config./etc/api.toml", "bbbb");
  });
  fleet.run_until(80);
  const std::string text = printed(fleet);
  EXPECT_THAT(text, HasSubstr("What else differs kernel.release is 6.1.0-21 on web-00 and 6.1.0-18 on "
                              "the others: it left the evidence"));
  EXPECT_THAT(text, HasSubstr("config./etc/api.toml is bbbb on web-00 and aaaa on the others (there it "
                              "was aaaa before the deploy)"));
}

TEST(Explanation, OfNoVerdictSaysWhatWouldHaveBeenSeen) {
  const sim::Fleet fleet = judged({}, 200);
  const Decision* decision = fleet.find(DecisionKind::inconclusive, "v2");
  ASSERT_NE(decision, nullptr) << "a window of 90 s shows too little";
  EXPECT_THAT(decision->reason.text, HasSubstr("would not have been seen by now"));
  EXPECT_THAT(decision->reason.text, HasSubstr("; by now errors x"));
  EXPECT_THAT(printed(fleet), HasSubstr(decision->reason.text));
}

}  // namespace
}  // namespace serin::ctl
