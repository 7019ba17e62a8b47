#include "aggregator/effects/effect_runner.h"

#include <fmt/core.h>

#include <algorithm>

#include "schema/wire.h"

namespace serin::aggregator {

namespace {

/// JetStream's "wrong last sequence", as the bus words it. A refusal of this kind never passes by
/// itself.
constexpr std::string_view kOvertaken = "(10071)";

/// What must stay in order among itself.
std::string lane_of(const core::Effect& effect) {
  struct Visitor {
    std::string operator()(const Decision& d) const {
      return d.deploy.empty() ? "service " + d.service : d.deploy;
    }
    std::string operator()(const core::CommandOrder& c) const { return c.command.deploy; }
    std::string operator()(const core::Notification& n) const {
      return n.deploy.empty() ? "service " + n.service : n.deploy;
    }
    std::string operator()(const core::AttentionOrder& a) const { return "attention " + a.service; }
  };
  return std::visit(Visitor{}, effect);
}

std::string subject_of(const Command& command) {
  return command.service + "|" + command.host;
}

std::string describe(const core::Effect& effect) {
  struct Visitor {
    std::string operator()(const Decision& d) const { return "decision " + d.effect_id; }
    std::string operator()(const core::CommandOrder& c) const { return "command " + c.effect_id; }
    std::string operator()(const core::Notification& n) const {
      return "notification " + n.effect_id;
    }
    std::string operator()(const core::AttentionOrder& a) const {
      return "attention for " + a.service;
    }
  };
  return std::visit(Visitor{}, effect);
}

}  // namespace

EffectRunner::EffectRunner(uv_loop_t* loop, Bus& bus, const SigningKey& key, Notify notify,
                           Options options)
    : loop_(loop),
      bus_(bus),
      key_(key),
      notify_(std::move(notify)),
      options_(std::move(options)),
      retry_timer_(loop, [this] { retry_due(); }) {}

void EffectRunner::adopt(const Decision& recorded) {
  audited_.insert(recorded.effect_id);
}

Result<void> EffectRunner::replayed(std::vector<core::Effect> effects) {
  const auto is_news = [&](const core::Effect& effect) {
    const auto* decision = std::get_if<Decision>(&effect);
    return decision != nullptr && !audited_.contains(decision->effect_id);
  };
  // What goes with a decision that nobody has recorded has never been told to anyone, however long
  // ago it was.
  const bool news = std::ranges::any_of(effects, is_news);
  for (core::Effect& effect : effects) {
    if (std::holds_alternative<Decision>(effect)) {
      if (is_news(effect)) replay_.push_back(std::move(effect));
    } else if (const auto* notification = std::get_if<core::Notification>(&effect)) {
      const bool stale = notification->at_us < options_.wall_us() - kStaleUs;
      if (options_.outbox_lost && stale && !news)
        ++counters_.stale;
      else
        replay_.push_back(std::move(effect));
    }
    // Commands and attention of the past: the fold says at the end which of them still stand.
  }
  if (replay_.size() > kMostWaiting)
    return fail(fmt::format("more than {} effects in one replay", kMostWaiting));
  return {};
}

Result<void> EffectRunner::caught_up(std::vector<core::CommandOrder> commands,
                                     std::vector<core::AttentionOrder> attention) {
  std::vector<core::Effect> ordered;
  // A deploy's commands go between its decisions and what people are told.
  for (core::Effect& effect : replay_) {
    if (std::holds_alternative<Decision>(effect)) ordered.push_back(std::move(effect));
  }
  for (core::CommandOrder& command : commands) ordered.emplace_back(std::move(command));
  for (core::Effect& effect : replay_) {
    if (std::holds_alternative<core::Notification>(effect)) ordered.push_back(std::move(effect));
  }
  for (core::AttentionOrder& order : attention) ordered.emplace_back(std::move(order));
  replay_.clear();
  replay_.shrink_to_fit();
  return take(std::move(ordered));
}

Result<void> EffectRunner::take(std::vector<core::Effect> effects) {
  std::vector<std::string> keys;
  for (core::Effect& effect : effects) {
    if (const auto* decision = std::get_if<Decision>(&effect)) {
      if (!audited_.insert(decision->effect_id).second) continue;
    }
    keys.push_back(lane_of(effect));
    if (auto added = add(std::move(effect)); !added) return added;
  }
  for (const std::string& key : keys) pump(key);
  return {};
}

Result<void> EffectRunner::add(core::Effect effect) {
  Lane& lane = lanes_[lane_of(effect)];
  // Of a service's cadence only the last word counts.
  if (std::holds_alternative<core::AttentionOrder>(effect) &&
      lane.waiting.size() > (lane.in_flight ? 1u : 0u)) {
    lane.waiting.back() = std::move(effect);
    return {};
  }
  if (counters_.waiting >= kMostWaiting) {
    return fail(fmt::format("more than {} effects wait for the bus", kMostWaiting));
  }
  if (const auto* order = std::get_if<core::CommandOrder>(&effect))
    newest_command_[subject_of(order->command)] = order->effect_id;
  lane.waiting.push_back(std::move(effect));
  ++counters_.waiting;
  return {};
}

void EffectRunner::pump(const std::string& key) {
  const auto found = lanes_.find(key);
  if (found == lanes_.end() || found->second.pumping) return;
  Lane& lane = found->second;
  lane.pumping = true;  // an answer may come before publish() returns
  while (!lane.waiting.empty() && !lane.in_flight && lane.due_ms <= uv_now(loop_)) {
    const core::Effect& effect = lane.waiting.front();
    if (const auto* notification = std::get_if<core::Notification>(&effect)) {
      notify_(*notification);
      lane.waiting.pop_front();
      --counters_.waiting;
      continue;
    }
    if (is_overtaken(effect)) {
      ++counters_.superseded;
      lane.waiting.pop_front();
      --counters_.waiting;
      continue;
    }
    lane.in_flight = true;
    publish(key, effect);
  }
  lane.pumping = false;
  if (lane.waiting.empty()) lanes_.erase(found);
}

bool EffectRunner::is_overtaken(const core::Effect& effect) const {
  const auto* order = std::get_if<core::CommandOrder>(&effect);
  if (order == nullptr) return false;
  const auto newest = newest_command_.find(subject_of(order->command));
  return newest == newest_command_.end() || newest->second != order->effect_id;
}

void EffectRunner::publish(const std::string& key, const core::Effect& effect) {
  Bus::Done done = [this, key, alive = std::weak_ptr(alive_)](const Result<void>& result) {
    if (!alive.expired()) on_done(key, result);
  };
  if (const auto* decision = std::get_if<Decision>(&effect)) {
    bus_.publish(*decision, std::move(done));
  } else if (const auto* order = std::get_if<core::CommandOrder>(&effect)) {
    const Command& command = order->command;
    bus_.publish(command.host, command.service, command.id, command.revision, sign(command),
                 std::move(done));
  } else {
    bus_.publish(std::get<core::AttentionOrder>(effect), std::move(done));
  }
}

SignedCommand EffectRunner::sign(const Command& command) const {
  SignedCommand result;
  result.key_id = key_.key_id();
  result.payload = wire::encode(command);
  const auto signature = key_.sign_command(result.payload);
  result.signature.assign(signature.begin(), signature.end());
  return result;
}

void EffectRunner::on_done(const std::string& key, const Result<void>& done) {
  const auto found = lanes_.find(key);
  SERIN_VERIFY(found != lanes_.end() && found->second.in_flight);
  Lane& lane = found->second;
  lane.in_flight = false;
  if (done) {
    ++counters_.published;
    counters_.last_error.clear();
    if (!std::holds_alternative<core::AttentionOrder>(lane.waiting.front())) {
      log::info("{} stored", describe(lane.waiting.front()));
    }
    if (const auto* order = std::get_if<core::CommandOrder>(&lane.waiting.front())) {
      const auto newest = newest_command_.find(subject_of(order->command));
      if (newest != newest_command_.end() && newest->second == order->effect_id)
        newest_command_.erase(newest);
    }
    lane.waiting.pop_front();
    --counters_.waiting;
    lane.failures = 0;
    return pump(key);
  }
  ++counters_.failures;
  counters_.last_error =
      fmt::format("{}: {}", describe(lane.waiting.front()), done.error().message);
  if (const auto more = log_limit_.pass(key, options_.wall_us())) {
    log::warning("{}; tried again ({} more like it before)", counters_.last_error, *more);
  }
  if (options_.on_overtaken && done.error().message.find(kOvertaken) != std::string::npos) {
    options_.on_overtaken(counters_.last_error);
  }
  constexpr unsigned kMostDoublings = 10;
  const uint64_t wait_ms = std::min(options_.longest_retry_ms, options_.first_retry_ms << std::min(
                                                                   lane.failures, kMostDoublings));
  ++lane.failures;
  lane.due_ms = uv_now(loop_) + wait_ms;
  retry_at(lane.due_ms);
}

/// The earliest counts: a lane that failed once does not wait for one that failed often.
void EffectRunner::retry_at(uint64_t due_ms) {
  if (retry_timer_.active() && retry_due_ms_ <= due_ms) return;
  const uint64_t now_ms = uv_now(loop_);
  retry_due_ms_ = due_ms;
  retry_timer_.start(due_ms > now_ms ? due_ms - now_ms : 1);
}

void EffectRunner::retry_due() {
  std::vector<std::string> keys;
  for (const auto& [key, lane] : lanes_) keys.push_back(key);
  for (const std::string& key : keys) pump(key);
  uint64_t next_ms = UINT64_MAX;
  for (const auto& [key, lane] : lanes_) {
    if (!lane.in_flight) next_ms = std::min(next_ms, lane.due_ms);
  }
  if (next_ms != UINT64_MAX) retry_at(next_ms);
}

void EffectRunner::kick() {
  for (auto& [key, lane] : lanes_) lane.due_ms = 0;
  retry_due();
}

}  // namespace serin::aggregator
