#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "aggregator/api/live_view.h"

namespace serin::aggregator {

/// A fold that shows what the test put there.
class FakeView : public LiveView {
 public:
  [[nodiscard]] std::vector<core::ServiceView> services() const override { return services_; }
  [[nodiscard]] std::vector<core::HostView> hosts(std::string_view service,
                                                  core::FactScope facts) const override {
    auto result = hosts_;
    if (!service.empty())
      std::erase_if(result, [&](const auto& host) { return host.service != service; });
    if (facts == core::FactScope::few)
      for (auto& host : result) host.facts.clear();
    return result;
  }
  [[nodiscard]] std::vector<core::DeployView> deploys() const override { return deploys_; }
  [[nodiscard]] std::optional<core::DeployView> deploy(std::string_view id) const override {
    const auto found = std::ranges::find(deploys_, id, &core::DeployView::id);
    if (found == deploys_.end()) return std::nullopt;
    return *found;
  }
  [[nodiscard]] std::vector<core::DrillView> drills() const override { return drills_; }
  [[nodiscard]] std::optional<core::DrillView> drill(std::string_view id) const override {
    const auto found = std::ranges::find(drills_, id, &core::DrillView::id);
    if (found == drills_.end()) return std::nullopt;
    return *found;
  }
  [[nodiscard]] core::Fold::GateAnswer gate(std::string_view service, std::string_view version,
                                            size_t stage) const override {
    return {core::Fold::Gate::stop,
            std::string(service) + " " + std::string(version) + " " + std::to_string(stage)};
  }
  [[nodiscard]] std::vector<std::string> stages(std::string_view) const override {
    return {"1 host", "5%", "25%", "100%"};
  }
  [[nodiscard]] int64_t now_us() const override { return 1'795'176'000'000'000; }
  [[nodiscard]] uint64_t last_sequence() const override { return 4711; }
  [[nodiscard]] core::Fold::Counters counters() const override { return counters_; }
  [[nodiscard]] bool connected() const override { return connected_; }
  [[nodiscard]] bool caught_up() const override { return caught_up_; }
  [[nodiscard]] ShellCounters shell() const override { return shell_; }
  [[nodiscard]] std::vector<std::string> warnings() const override { return warnings_; }

  void add_deploy(const std::string& id, core::DeployState state = core::DeployState::watching,
                  const std::string& service = "api") {
    core::DeployView view;
    view.id = id;
    view.service = service;
    view.version = "v2";
    view.state = state;
    view.opened_us = now_us();
    view.hosts.push_back({.host = "web-07", .from = "v1"});
    core::MetricView metric;
    metric.metric = "errors";
    metric.series.push_back({.at_us = now_us(), .log_evidence = 1});
    view.metrics.push_back(metric);
    view.timeline.push_back(
        {.at_us = now_us(), .kind = "detected", .host = "web-07", .text = "v2 started"});
    deploys_.push_back(view);
  }

  std::vector<core::ServiceView> services_;
  std::vector<core::HostView> hosts_;
  std::vector<core::DeployView> deploys_;
  std::vector<core::DrillView> drills_;
  core::Fold::Counters counters_;
  ShellCounters shell_;
  std::vector<std::string> warnings_;
  bool connected_ = true, caught_up_ = true;
};

}  // namespace serin::aggregator
