#include "aggregator/api/acts.h"

#include <fmt/core.h>

#include <algorithm>

#include "aggregator/api/act_control.h"
#include "aggregator/api/problem.h"
#include "aggregator/render/render.h"
#include "common/ids.h"
#include "common/log.h"

namespace serin::aggregator {

namespace {

constexpr size_t kMostKeyBytes = 128;

/// Printable ASCII: it travels in headers.
bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kMostKeyBytes &&
         std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string digest_of(std::string_view text) {
  return hex(sha256(as_bytes(text)));
}

std::string_view what(const Control& control) {
  return control.kind == ControlKind::act ? name(control.act) : name(control.kind);
}

std::string about(const Control& control) {
  if (!control.deploy.empty()) return control.deploy;
  if (!control.version.empty()) return control.service + " " + control.version;
  return control.service + " on " + control.host;
}

HttpResponse accepted(std::string body) {
  return {.status = 202, .body = std::move(body), .headers = {}};
}

}  // namespace

struct ActDesk::Pending {
  std::string key, fingerprint, target;
  Control control;
  std::vector<Reply> waiting;
  bool publishing = false;
  std::string last_error = "the bus does not answer";
  std::unique_ptr<UvTimer> patience, retry;
};

std::optional<ActRefusal> refusal_of(Act act, const core::DeployView& deploy) {
  const bool ended = deploy.ended_us != 0;
  const std::string what = fmt::format("deploy {} is {}", deploy.id, core::name(deploy.state));
  if (act == Act::rollback) {
    // A verdict of another kind does not bind people: what has passed can still be put back.
    if (deploy.verdict == "rollback" && ended)
      return ActRefusal{"deploy_ended", what + "; nothing is left to put back"};
    if (deploy.state == core::DeployState::rolling_back)
      return ActRefusal{"conflict", what + " already"};
    return std::nullopt;
  }
  // What ended without a verdict may be passed by hand; and a rollback that no host has answered is
  // taken back.
  const bool nothing_changed = std::ranges::all_of(
      deploy.hosts, [](const auto& host) { return host.step.empty() && !host.left; });
  if (act == Act::pass && deploy.verdict == "inconclusive") return std::nullopt;
  if (act == Act::pass && deploy.verdict == "rollback" && !ended && nothing_changed)
    return std::nullopt;
  if (ended) return ActRefusal{"deploy_ended", what + "; see `serinctl deploys` for what is open"};
  if (act == Act::pass && !deploy.verdict.empty()) {
    return ActRefusal{"conflict", fmt::format("{}, its verdict is {}", what, deploy.verdict)};
  }
  if (act == Act::hold && deploy.held)
    return ActRefusal{"conflict", fmt::format("deploy {} is held already", deploy.id)};
  if (act == Act::release && !deploy.held)
    return ActRefusal{"conflict", fmt::format("deploy {} is not held", deploy.id)};
  return std::nullopt;
}

ActDesk::ActDesk(uv_loop_t* loop, const LiveView& view, Store& store, Publish publish,
                 Options options)
    : loop_(loop),
      view_(view),
      store_(store),
      publish_(std::move(publish)),
      options_(std::move(options)) {}

ActDesk::~ActDesk() {
  for (auto& [key, pending] : std::map<std::string, std::shared_ptr<Pending>>(pending_)) {
    give_up(*pending, "the aggregator is stopping");
  }
}

void ActDesk::take(const Ask& ask, Reply reply) {
  const auto refuse = [&](std::string_view code, std::string detail, FieldErrors errors = {}) {
    reply(problem_response(code, std::move(detail), ask.target, std::move(errors)));
  };
  if (!is_key(ask.key)) {
    return refuse(
        "bad_request",
        "send an Idempotency-Key header of 1 to 128 visible ASCII characters, new for each act",
        {{"Idempotency-Key", ask.key.empty() ? "is missing" : "is not acceptable"}});
  }
  const std::string key = ask.actor + "\n" + ask.key;
  const std::string fingerprint =
      digest_of(fmt::format("{}\n{}\n{}", what(ask.address), about(ask.address), ask.body));
  const std::string mismatch = "use a new key for another request";
  if (const auto known = remembered(key)) {
    if (known->fingerprint != fingerprint) return refuse("idempotency_mismatch", mismatch);
    return reply(accepted(known->answer));
  }
  if (auto same = pending_.find(key); same != pending_.end()) {
    if (same->second->fingerprint != fingerprint) return refuse("idempotency_mismatch", mismatch);
    same->second->waiting.push_back(std::move(reply));
    return;
  }
  auto control = control_of(view_, ask.address, ask.body);
  if (!control) return refuse(control.error().code, control.error().detail, control.error().errors);
  if (pending_.size() >= kMostPending)
    return refuse("rate_limited", "too many acts are on their way; ask again");

  auto pending = std::make_shared<Pending>();
  pending->key = key;
  pending->fingerprint = fingerprint;
  pending->target = ask.target;
  pending->waiting.push_back(std::move(reply));
  // The key as the stream sees it: two people may have chosen the same, and any byte may stand in
  // it.
  constexpr size_t kIdDigits = 32;
  pending->control = std::move(*control);
  pending->control.id = digest_of(key).substr(0, kIdDigits);
  pending->control.actor = ask.actor;
  pending->patience =
      std::make_unique<UvTimer>(loop_, [this, p = pending.get()] { give_up(*p, p->last_error); });
  pending->patience->start(options_.patience_ms);
  pending->retry = std::make_unique<UvTimer>(loop_, [this, p = pending.get()] {
    if (auto held = pending_.find(p->key); held != pending_.end())
      attempt(std::shared_ptr<Pending>(held->second));
  });
  pending_[key] = pending;
  attempt(pending);
}

void ActDesk::attempt(const std::shared_ptr<Pending>& pending) {
  pending->publishing = true;
  publish_(pending->control, [this, weak = std::weak_ptr(pending)](const Result<void>& done) {
    const auto alive = weak.lock();
    if (!alive) return;  // answered 503 meanwhile, or the desk is gone
    alive->publishing = false;
    if (done) return stored(*alive);
    alive->last_error = done.error().message;
    alive->retry->start(options_.retry_ms);
  });
}

void ActDesk::stored(Pending& pending) {
  ActRecord record{.key = pending.key,
                   .fingerprint = pending.fingerprint,
                   .answer = {},
                   .at_us = options_.wall_us()};
  record.answer = render::act({.id = pending.control.id,
                               .deploy = pending.control.deploy,
                               .kind = std::string(what(pending.control)),
                               .accepted_us = record.at_us});
  log::info("{} of {} asked for by {}", what(pending.control), about(pending.control),
            pending.control.actor);
  const std::vector<Reply> waiting = std::move(pending.waiting);
  const std::string answer = record.answer;
  remember(std::move(record));
  const auto node = pending_.extract(pending.key);  // lives to the end of this call
  for (const Reply& reply : waiting) reply(accepted(answer));
}

/// Nobody waits any more, so nothing is published any more: an act must not happen long after it
/// was answered 503. What is on its way already may still be stored; the same key will then find it
/// done.
void ActDesk::give_up(Pending& pending, const std::string& why) {
  const std::vector<Reply> waiting = std::move(pending.waiting);
  const std::string target = pending.target;
  const auto node = pending_.extract(pending.key);  // lives to the end of this call
  for (const Reply& reply : waiting) {
    reply(problem_response(
        "bus_unavailable",
        fmt::format("the act may not have been stored ({}); ask again with the same key", why),
        target));
  }
}

std::optional<ActRecord> ActDesk::remembered(const std::string& key) {
  const int64_t oldest_us = options_.wall_us() - Store::kActLifeUs;
  if (auto found = recent_.find(key); found != recent_.end()) {
    if (found->second.at_us >= oldest_us) return found->second;
    recent_.erase(found);
  }
  auto stored = store_.act(key);
  if (!stored) {
    log::error("{}",
               stored.error().message);  // the stream drops a repeat within its window all the same
    return std::nullopt;
  }
  if (*stored && (*stored)->at_us < oldest_us) return std::nullopt;
  return *stored;
}

void ActDesk::remember(ActRecord record) {
  if (auto kept = store_.remember(record); kept) return;
  log::warning("{}; the key is kept in memory", store_.trouble());
  if (recent_.size() >= kMostRemembered) {
    recent_.erase(std::ranges::min_element(recent_, {},
                                           [](const auto& entry) { return entry.second.at_us; }));
  }
  recent_[record.key] = std::move(record);
}

}  // namespace serin::aggregator
