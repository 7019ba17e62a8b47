#include "aggregator/run.h"

#include <uv.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>

#include "aggregator/aggregator.h"
#include "aggregator/config.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/service_manager.h"
#include "common/watchdog.h"

namespace serin::aggregator {

namespace {

/// Two aggregators on one stream take turns in starting anew; this keeps them from doing only that.
constexpr uint64_t kFirstPauseMs = 1'000, kLongestPauseMs = 60'000;
/// A run of this length was a good one: the next pause is short again.
constexpr uint64_t kGoodRunMs = 300'000;

int64_t wall_us() {
  uv_timeval64_t now{};
  SERIN_VERIFY(uv_gettimeofday(&now) == 0);
  return now.tv_sec * 1'000'000 + now.tv_usec;
}

/// One aggregator after the other on one loop, until a signal ends it.
class Runner {
 public:
  explicit Runner(AggregatorConfig config)
      : config_(std::move(config)),
        pause_(loop_.get(), [this] { begin(); }),
        end_(loop_.get(), [this] { loop_.stop(); }),
        terminate_(loop_.get(), SIGTERM, [this](int) { finish(); }),
        interrupt_(loop_.get(), SIGINT, [this](int) { finish(); }) {}

  Result<void> run() {
    begin();
    if (outcome_) {
      notify_manager("READY=1");
      loop_.run();
    }
    aggregator_.reset();
    return outcome_;
  }

 private:
  void begin() {
    started_ms_ = uv_now(loop_.get());
    Aggregator::World world{.wall_us = wall_us,
                            .on_start_anew = [this](const std::string&) { restart(); }};
    auto made = Aggregator::start(loop_.get(), config_, std::move(world));
    if (!made) {
      outcome_ = std::unexpected(made.error());
      return end_.start(0);
    }
    aggregator_ = std::move(*made);
  }

  void restart() {
    // Not from inside the call that asked for it.
    restart_.emplace(loop_.get(), [this] {
      aggregator_->stop([this] {
        if (stopping_) return end_.start(0);
        gone_.emplace(loop_.get(), [this] {
          aggregator_.reset();
          if (stopping_) return loop_.stop();
          if (uv_now(loop_.get()) - started_ms_ > kGoodRunMs) pause_ms_ = kFirstPauseMs;
          pause_.start(pause_ms_);
          pause_ms_ = std::min(pause_ms_ * 2, kLongestPauseMs);
        });
        gone_->start(0);
      });
    });
    restart_->start(0);
  }

  void finish() {
    if (std::exchange(stopping_, true)) return loop_.stop();  // asked twice: at once
    log::info("stopping");
    notify_manager("STOPPING=1");
    pause_.stop();
    if (!aggregator_) return end_.start(0);
    aggregator_->stop([this] { end_.start(0); });
  }

  AggregatorConfig config_;
  UvLoop loop_;
  Watchdog watchdog_{loop_.get()};
  UvTimer pause_, end_;
  UvSignal terminate_, interrupt_;
  std::optional<UvTimer> restart_, gone_;
  std::unique_ptr<Aggregator> aggregator_;
  uint64_t started_ms_ = 0, pause_ms_ = kFirstPauseMs;
  bool stopping_ = false;
  Result<void> outcome_;
};

}  // namespace

Result<void> run_aggregator(const std::filesystem::path& file) {
  auto config = load_aggregator_config(file);
  if (!config) return std::unexpected(config.error());
  std::signal(SIGPIPE, SIG_IGN);
  return Runner(std::move(*config)).run();
}

}  // namespace serin::aggregator
