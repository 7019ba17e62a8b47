#include "aggregator/aggregator.h"

#include <fmt/core.h>

#include "schema/text.h"

namespace serin::aggregator {

namespace {

constexpr uint64_t kAttentionEveryMs = 300'000;  // CONTRACTS §6; it lapses after 600 s
constexpr uint64_t kPolicyEveryMs = 600'000;  // so that 2 h of input hold it whatever was cut off
constexpr uint64_t kTrimEveryMs = 600'000;
constexpr int64_t kComplaintShownUs = 120LL * 1'000'000;
constexpr unsigned kFarewellMs = 2'000;  // what a service manager waits for without a thought

}  // namespace

Aggregator::Aggregator(uv_loop_t* loop, const AggregatorConfig& config, World world, SigningKey key,
                       std::unique_ptr<Store> store)
    : loop_(loop),
      world_(std::move(world)),
      policies_(config.policies),
      key_(std::move(key)),
      store_(std::move(store)),
      fold_(config.policies),
      tick_timer_(loop, [this] { tick(); }) {}

/// In the order in which they use each other, the first user first.
Aggregator::~Aggregator() {
  alive_.reset();
  server_.reset();
  api_.reset();
  desk_.reset();
  runner_.reset();
  notifier_.reset();
  bus_.reset();
}

Result<std::unique_ptr<Aggregator>> Aggregator::start(uv_loop_t* loop,
                                                      const AggregatorConfig& config, World world) {
  auto auth = config.tokens ? Auth::load(*config.tokens) : Result<Auth>(Auth::without_tokens());
  if (!auth) return std::unexpected(auth.error());
  auto key = SigningKey::load(config.signing_key);
  if (!key) return fail(key.error().message + "; `serinctl keys init` makes a signing key");
  auto store = Store::open(config.state_dir / "serin.db");
  if (!store) return std::unexpected(store.error());
  auto listener = listen_on(config.listen);
  if (!listener) return std::unexpected(listener.error());
  if ((*store)->in_memory())
    log::error("{}; going on without: restart when there is room", (*store)->trouble());
  if (!(*store)->set_aside().empty())
    log::error("the database was broken; it lies at {}", (*store)->set_aside());
  auto made = std::unique_ptr<Aggregator>(
      new Aggregator(loop, config, std::move(world), std::move(*key), std::move(*store)));
  if (auto begun = made->begin(config, std::move(*auth), std::move(*listener)); !begun) {
    return std::unexpected(begun.error());
  }
  return made;
}

Result<void> Aggregator::begin(const AggregatorConfig& config, Auth auth, Listener listener) {
  auto bus = world_.start_bus(loop_, config.bus, handlers());
  if (!bus) return std::unexpected(bus.error());
  bus_ = std::move(*bus);
  Notifier::Options notify{
      .sinks = config.sinks, .public_url = config.public_url, .wall_us = world_.wall_us};
  auto notifier = Notifier::start(loop_, *store_, std::move(notify));
  if (!notifier) return std::unexpected(notifier.error());
  notifier_ = std::move(*notifier);
  runner_ = std::make_unique<EffectRunner>(
      loop_, *bus_, key_,
      [this](const core::Notification& notification) { notifier_->enqueue(notification); },
      EffectRunner::Options{.wall_us = world_.wall_us,
                            .outbox_lost = store_->fresh(),
                            .on_overtaken = [this](const std::string& why) { start_anew(why); }});
  desk_ = std::make_unique<ActDesk>(
      loop_, *this, *store_,
      [this](const Control& control, std::function<void(Result<void>)> done) {
        bus_->publish(control, std::move(done));
      },
      ActDesk::Options{.wall_us = world_.wall_us});
  const bool open = !auth.has_tokens();
  api_ = std::make_unique<Api>(*this, *desk_, std::move(auth));
  auto server = HttpServer::start(
      loop_, std::move(listener),
      [this](const HttpRequest& request, Reply reply) { api_->handle(request, std::move(reply)); });
  if (!server) return std::unexpected(server.error());
  server_ = std::move(*server);
  api_->count_answers_by([this] { return server_->answers(); });
  tick_timer_.start(world_.tick_ms, world_.tick_ms);
  log::info("API at http://{}{}; commands are signed with key {}",
            ListenAddress{config.listen.host, server_->port()}.text(),
            open ? " (no tokens: reading only)" : "", key_.key_id());
  return {};
}

Bus::Handlers Aggregator::handlers() {
  return {.on_audit =
              [this](const Decision& decision) {
                fold_.adopt(decision);
                runner_->adopt(decision);
              },
          .on_audit_end = [this] { bus_->read_input(fold_.last_sequence()); },
          .on_input = [this](const core::Input& input) { on_input(input); },
          .on_unreadable = [this](const Bus::Unreadable& message) { on_unreadable(message); },
          .on_caught_up = [this] { on_caught_up(); },
          .on_connection = [this](bool connected,
                                  const std::string& detail) { on_connection(connected, detail); },
          .on_store_lost =
              [this](const std::string& detail) {
                store_lost_ = detail;
                log::error("{}", detail);
              }};
}

void Aggregator::on_input(const core::Input& input) {
  std::vector<core::Effect> effects = fold_.step(input);
  if (effects.empty()) return;
  for (const auto& effect : effects) {
    const auto* decision = std::get_if<Decision>(&effect);
    if (decision && decision->kind == DecisionKind::warmup) warmups_due_ms_ = 0;
  }
  check(caught_up_ ? runner_->take(std::move(effects)) : runner_->replayed(std::move(effects)));
}

void Aggregator::on_unreadable(const Bus::Unreadable& message) {
  ++unreadable_;
  constexpr size_t kMostShown = 300;
  last_unreadable_ = plain_text(
      fmt::format("{} ({}): {}", message.subject, message.seq, message.error), kMostShown);
  if (const auto more = log_limit_.pass(message.subject, world_.wall_us())) {
    log::warning("dropped a message that cannot be read: {} ({} more like it before)",
                 last_unreadable_, *more);
  }
}

void Aggregator::on_caught_up() {
  if (caught_up_) return;
  caught_up_ = true;
  const auto counters = fold_.counters();
  log::info("caught up with the stream: {} samples, {} events, {} controls", counters.samples,
            counters.events, counters.controls);
  check(runner_->caught_up(fold_.pending_commands(), fold_.attention()));
  attention_due_ms_ = uv_now(loop_) + kAttentionEveryMs;
  tick();
}

/// A detail that comes while the bus is connected is a complaint about something else than the
/// connection.
void Aggregator::on_connection(bool connected, const std::string& detail) {
  const bool complaint = connected && was_connected_;
  was_connected_ = connected;
  bus_detail_ = detail;
  bus_complaint_us_ = complaint ? world_.wall_us() : 0;
  if (connected && !complaint) {
    log::info("NATS: connected");
    return runner_->kick();
  }
  log::warning("NATS: {}", detail);
}

void Aggregator::tick() {
  const uint64_t now_ms = uv_now(loop_);
  if (now_ms >= trim_due_ms_) {
    trim_due_ms_ = now_ms + kTrimEveryMs;
    if (auto trimmed = store_->trim(world_.wall_us()); !trimmed)
      log::warning("{}", trimmed.error().message);
  }
  if (!caught_up_ || stopping_ || !bus_->connected()) return;
  if (now_ms >= policy_due_ms_ && !policy_in_flight_) publish_policy();
  if (now_ms >= warmups_due_ms_) publish_warmups();
  publish_clock();
  if (now_ms >= attention_due_ms_) {
    attention_due_ms_ = now_ms + kAttentionEveryMs;
    renew_attention();
  }
}

void Aggregator::publish_clock() {
  if (clock_in_flight_) return;  // a tick that is late is worth nothing
  clock_in_flight_ = true;
  Control clock;
  clock.kind = ControlKind::clock;
  bus_->publish(clock, [this, alive = std::weak_ptr(alive_)](const Result<void>& done) {
    if (alive.expired()) return;
    clock_in_flight_ = false;
    if (done) return;
    ++clock_failures_;
    if (const auto more = log_limit_.pass("clock", world_.wall_us())) {
      log::warning("a clock tick was not stored: {} ({} more before)", done.error().message, *more);
    }
  });
}

/// As often as the policy and for the same reason. One that is lost comes again with the next.
void Aggregator::publish_warmups() {
  warmups_due_ms_ = uv_now(loop_) + kPolicyEveryMs;
  for (const Control& control : fold_.warmups()) {
    bus_->publish(control, [this, alive = std::weak_ptr(alive_)](const Result<void>& done) {
      if (done || alive.expired()) return;
      if (const auto more = log_limit_.pass("warmup", world_.wall_us())) {
        log::warning("a warm-up was not stored: {} ({} more before)", done.error().message, *more);
      }
    });
  }
}

void Aggregator::publish_policy() {
  policy_in_flight_ = true;
  Control policy;
  policy.kind = ControlKind::policy;
  policy.policy_json = to_json(policies_);
  bus_->publish(policy, [this, alive = std::weak_ptr(alive_)](const Result<void>& done) {
    if (alive.expired()) return;
    policy_in_flight_ = false;
    if (done) {
      policy_due_ms_ = uv_now(loop_) + kPolicyEveryMs;
    } else if (const auto more = log_limit_.pass("policy", world_.wall_us())) {
      log::warning("the policy was not stored: {} ({} more before)", done.error().message, *more);
    }
  });
}

void Aggregator::renew_attention() {
  std::vector<core::Effect> orders;
  for (auto& order : fold_.attention()) orders.emplace_back(std::move(order));
  check(runner_->take(std::move(orders)));
}

void Aggregator::check(const Result<void>& outcome) {
  if (!outcome) start_anew(outcome.error().message);
}

void Aggregator::start_anew(const std::string& why) {
  if (stopping_ || !world_.on_start_anew) return;
  log::error("starting anew from the streams: {}", why);
  std::exchange(world_.on_start_anew, nullptr)(why);
}

void Aggregator::stop(std::function<void()> done) {
  if (std::exchange(stopping_, true)) return;
  tick_timer_.stop();
  server_.reset();
  desk_.reset();
  bus_->close(kFarewellMs, std::move(done));
}

std::vector<std::string> Aggregator::stages(std::string_view service) const {
  std::vector<std::string> stages = fold_.policies().of(service).stages;
  if (stages.empty()) stages.emplace_back("100%");
  return stages;
}

ShellCounters Aggregator::shell() const {
  const EffectRunner::Counters& effects = runner_->counters();
  ShellCounters result{.unreadable = unreadable_,
                       .effects_published = effects.published,
                       .effect_failures = effects.failures,
                       .effects_waiting = effects.waiting,
                       .clock_failures = clock_failures_,
                       .store_failures = store_->failures(),
                       .store_debts = notifier_->debts(),
                       .acts_waiting = desk_->pending(),
                       .sinks = {}};
  for (const auto& sink : notifier_->counters()) {
    result.sinks.push_back({.name = sink.sink,
                            .delivered = sink.delivered,
                            .failed_attempts = sink.failed_attempts,
                            .given_up = sink.given_up,
                            .dropped = sink.dropped,
                            .waiting = sink.waiting});
  }
  return result;
}

std::vector<std::string> Aggregator::warnings() const {
  std::vector<std::string> result;
  if (!connected()) {
    result.push_back("NATS is not connected: " + bus_detail_);
  } else if (bus_complaint_us_ != 0 && world_.wall_us() - bus_complaint_us_ < kComplaintShownUs) {
    result.push_back("NATS: " + bus_detail_);
  }
  if (!caught_up_) result.emplace_back("the stream is still being read: nothing is decided yet");
  if (!store_->trouble().empty()) result.push_back(store_->trouble());
  if (!store_lost_.empty()) result.push_back(store_lost_);
  if (unreadable_ > 0) {
    result.push_back(
        fmt::format("{} messages could not be read; the last: {}", unreadable_, last_unreadable_));
  }
  if (const auto& effects = runner_->counters(); !effects.last_error.empty())
    result.push_back(effects.last_error);
  for (const auto& sink : notifier_->counters()) {
    if (sink.last_error.empty()) continue;
    result.push_back(fmt::format("notifications to \"{}\" fail: {} ({} wait)", sink.sink,
                                 sink.last_error, sink.waiting));
  }
  return result;
}

}  // namespace serin::aggregator
