#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/api/acts.h"
#include "aggregator/api/api.h"
#include "aggregator/api/http_server.h"
#include "aggregator/api/live_view.h"
#include "aggregator/bus/bus.h"
#include "aggregator/config.h"
#include "aggregator/core/fold.h"
#include "aggregator/effects/effect_runner.h"
#include "aggregator/notify/notifier.h"
#include "aggregator/store/store.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/signing.h"

namespace serin::aggregator {

/// The shell around the fold: the stream goes in, effects go out, the API looks at it. It decides
/// nothing.
///
/// At the start the audit is adopted, then the stream is folded to its end, and only then does
/// anything leave. From then on the clock ticks once a second while the bus is connected.
class Aggregator : public LiveView {
 public:
  struct World {
    std::function<int64_t()> wall_us;
    std::function<Result<std::unique_ptr<Bus>>(uv_loop_t*, Bus::Options, Bus::Handlers)> start_bus =
        &Bus::start;
    uint64_t tick_ms = 1000;
    /// This aggregator cannot go on as it is and must start anew from the streams; said at most
    /// once.
    std::function<void(const std::string& why)> on_start_anew;
  };

  static Result<std::unique_ptr<Aggregator>> start(uv_loop_t* loop, const AggregatorConfig& config,
                                                   World world);
  ~Aggregator() override;
  Aggregator(const Aggregator&) = delete;
  Aggregator& operator=(const Aggregator&) = delete;

  [[nodiscard]] uint16_t api_port() const { return server_->port(); }
  /// Answers what is open, publishes what waits for at most a moment, then calls `done`: destroy it
  /// after that.
  void stop(std::function<void()> done);

 private:
  Aggregator(uv_loop_t* loop, const AggregatorConfig& config, World world, SigningKey key,
             std::unique_ptr<Store> store);

  Result<void> begin(const AggregatorConfig& config, Auth auth, Listener listener);
  Bus::Handlers handlers();
  void on_input(const core::Input& input);
  void on_unreadable(const Bus::Unreadable& message);
  void on_caught_up();
  void on_connection(bool connected, const std::string& detail);
  void tick();
  void publish_clock();
  void publish_policy();
  void publish_warmups();
  void renew_attention();
  void start_anew(const std::string& why);
  /// An effect runner that cannot go on ends this run: a new start rebuilds everything from the
  /// streams.
  void check(const Result<void>& outcome);

  [[nodiscard]] std::vector<core::ServiceView> services() const override {
    return fold_.services();
  }
  [[nodiscard]] std::vector<core::HostView> hosts(std::string_view service,
                                                  core::FactScope facts) const override {
    return fold_.hosts(service, facts);
  }
  [[nodiscard]] std::vector<core::DeployView> deploys() const override { return fold_.deploys(); }
  [[nodiscard]] std::optional<core::DeployView> deploy(std::string_view id) const override {
    return fold_.deploy(id);
  }
  [[nodiscard]] std::vector<core::DrillView> drills() const override { return fold_.drills(); }
  [[nodiscard]] std::optional<core::DrillView> drill(std::string_view id) const override {
    return fold_.drill(id);
  }
  [[nodiscard]] core::Fold::GateAnswer gate(std::string_view service, std::string_view version,
                                            size_t stage) const override {
    return fold_.gate(service, version, stage);
  }
  [[nodiscard]] std::vector<std::string> stages(std::string_view service) const override;
  [[nodiscard]] int64_t now_us() const override { return fold_.now_us(); }
  [[nodiscard]] uint64_t last_sequence() const override { return fold_.last_sequence(); }
  [[nodiscard]] core::Fold::Counters counters() const override { return fold_.counters(); }
  [[nodiscard]] bool connected() const override { return bus_ && bus_->connected(); }
  [[nodiscard]] bool caught_up() const override { return caught_up_; }
  [[nodiscard]] ShellCounters shell() const override;
  [[nodiscard]] std::vector<std::string> warnings() const override;

  uv_loop_t* loop_;
  World world_;
  const PolicySet policies_;
  const SigningKey key_;
  std::unique_ptr<Store> store_;
  core::Fold fold_;
  std::unique_ptr<Bus> bus_;
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<EffectRunner> runner_;
  std::unique_ptr<ActDesk> desk_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<HttpServer> server_;
  UvTimer tick_timer_;

  bool caught_up_ = false, stopping_ = false, clock_in_flight_ = false, policy_in_flight_ = false;
  uint64_t attention_due_ms_ = 0, policy_due_ms_ = 0, trim_due_ms_ = 0,
           warmups_due_ms_ = 0;
  uint64_t unreadable_ = 0, clock_failures_ = 0;
  bool was_connected_ = false;
  int64_t bus_complaint_us_ = 0;
  std::string bus_detail_ = "no answer yet", last_unreadable_, store_lost_;
  log::RateLimited log_limit_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace serin::aggregator
