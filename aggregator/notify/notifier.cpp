#include "aggregator/notify/notifier.h"

#include <fmt/core.h>

#include <algorithm>

#include "aggregator/render/render.h"
#include "common/ids.h"
#include "common/log.h"

namespace serin::aggregator {

namespace {

constexpr int64_t kSecondUs = 1'000'000;

bool wants(const Sink& sink, const std::string& kind) {
  return sink.on.empty() || std::ranges::find(sink.on, kind) != sink.on.end();
}

/// Answers that blame the message and not the way to it.
bool is_refusal(long status) {
  return status == 400 || status == 413 || status == 415 || status == 422;
}

std::string describe(const HttpClient::Outcome& outcome) {
  return outcome.status == 0 ? outcome.error : fmt::format("answered {}", outcome.status);
}

/// Effect ids are our own, but a header must never be able to hold a line break.
std::string header_safe(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return text;
}

}  // namespace

std::string signature_header(std::string_view secret, int64_t unix_seconds, std::string_view body) {
  const std::string text = fmt::format("{}.{}", unix_seconds, body);
  return fmt::format("t={},v1={}", unix_seconds,
                     hex(hmac_sha256(as_bytes(secret), as_bytes(text))));
}

Notifier::Notifier(uv_loop_t* loop, Store& store, Options options,
                   std::unique_ptr<HttpClient> client)
    : store_(store),
      options_(std::move(options)),
      client_(std::move(client)),
      settle_timer_(loop, [this] { settle(); }) {
  for (const Sink& sink : options_.sinks) {
    auto lane = std::make_unique<Lane>();
    lane->sink = sink;
    lane->counters.sink = sink.name;
    lane->timer = std::make_unique<UvTimer>(loop, [this, at = lane.get()] { pump(*at); });
    lanes_.push_back(std::move(lane));
  }
}

Result<std::unique_ptr<Notifier>> Notifier::start(uv_loop_t* loop, Store& store, Options options) {
  auto client = HttpClient::start(loop);
  if (!client) return std::unexpected(client.error());
  auto notifier =
      std::unique_ptr<Notifier>(new Notifier(loop, store, std::move(options), std::move(*client)));
  notifier->load();
  return notifier;
}

void Notifier::load() {
  auto rows = store_.waiting();
  if (!rows) {
    log::error("notifications left from the last run cannot be read: {}", rows.error().message);
    return;
  }
  for (OutboxRow& row : *rows) {
    const auto lane =
        std::ranges::find_if(lanes_, [&](const auto& l) { return l->sink.name == row.sink; });
    if (lane != lanes_.end()) {
      (*lane)->waiting.push_back(std::move(row));
      continue;
    }
    log::warning("notification {} given up: the configuration has no sink \"{}\" any more",
                 row.effect_id, row.sink);
    end_row(std::move(row), Store::End::given_up);
  }
  for (auto& lane : lanes_) pump(*lane);
}

std::string Notifier::link_to(const core::Notification& notification) const {
  if (options_.public_url.empty() || notification.deploy.empty()) return {};
  return fmt::format("{}/api/v1/deploys/{}", options_.public_url, notification.deploy);
}

void Notifier::enqueue(const core::Notification& notification) {
  const std::string link = link_to(notification);
  for (auto& lane : lanes_) {
    if (!wants(lane->sink, notification.kind)) continue;
    const int64_t now = options_.wall_us();
    OutboxRow row{.effect_id = notification.effect_id,
                  .sink = lane->sink.name,
                  .kind = notification.kind,
                  .body = lane->sink.kind == Sink::Kind::slack
                              ? render::slack_body(notification, link)
                              : render::webhook_body(notification, link),
                  .created_us = now,
                  .next_us = now};
    append(*lane, std::move(row));
  }
}

void Notifier::append(Lane& lane, OutboxRow row) {
  const auto same = [&](const OutboxRow& other) { return other.effect_id == row.effect_id; };
  if (std::ranges::any_of(lane.waiting, same)) return;
  auto added = store_.add(row);
  if (added && !*added) return;  // known from an earlier run
  if (!added) {
    log::warning("{}; the notification is sent from memory", added.error().message);
    owe({.row = row, .add = true});
  }
  if (lane.waiting.size() >= kMostWaiting) {
    // The first may be in flight; the one behind it goes.
    const auto victim = lane.waiting.begin() + (lane.in_flight ? 1 : 0);
    ++lane.counters.dropped;
    end_row(std::move(*victim), Store::End::given_up);
    lane.waiting.erase(victim);
  }
  lane.waiting.push_back(std::move(row));
  pump(lane);
}

/// Sends the first of the lane if it is due, else wakes up when it will be.
void Notifier::pump(Lane& lane) {
  if (lane.in_flight || lane.waiting.empty()) return;
  const OutboxRow& row = lane.waiting.front();
  const int64_t now = options_.wall_us();
  const auto longest_us = static_cast<int64_t>(options_.schedule.longest_ms) * 2000;
  // A wait longer than any schedule gives means that the clock was set back: it is due.
  const int64_t wait_us = row.next_us - now > longest_us ? 0 : row.next_us - now;
  if (wait_us > 0) {
    lane.timer->start(static_cast<uint64_t>(wait_us / 1000 + 1));
    return;
  }
  send(lane);
}

void Notifier::send(Lane& lane) {
  const OutboxRow& row = lane.waiting.front();
  HttpClient::Post post{.url = lane.sink.url, .body = row.body, .timeout_ms = options_.timeout_ms};
  post.headers.emplace_back("Content-Type", "application/json");
  post.headers.emplace_back("Serin-Delivery", header_safe(row.effect_id));
  if (lane.sink.secret) {
    const int64_t seconds = options_.wall_us() / kSecondUs;
    post.headers.emplace_back("Serin-Signature",
                              signature_header(*lane.sink.secret, seconds, row.body));
  }
  lane.in_flight = true;
  client_->post(std::move(post),
                [this, &lane](const HttpClient::Outcome& outcome) { on_outcome(lane, outcome); });
}

void Notifier::on_outcome(Lane& lane, const HttpClient::Outcome& outcome) {
  lane.in_flight = false;
  OutboxRow& row = lane.waiting.front();
  const int64_t now = options_.wall_us();
  ++row.attempts;
  if (outcome.status >= 200 && outcome.status < 300) {
    ++lane.counters.delivered;
    lane.counters.last_error.clear();
    finish(lane, Store::End::delivered);
    return pump(lane);
  }
  ++lane.counters.failed_attempts;
  lane.counters.last_error = describe(outcome);
  const RetrySchedule& schedule = options_.schedule;
  const int64_t most =
      is_refusal(outcome.status) ? schedule.most_attempts_when_refused : schedule.most_attempts;
  if (row.attempts >= most || now - row.created_us > schedule.most_age_us) {
    ++lane.counters.given_up;
    log::error("notification {} to \"{}\" given up after {} attempts: {}", row.effect_id, row.sink,
               row.attempts, lane.counters.last_error);
    finish(lane, Store::End::given_up);
    return pump(lane);
  }
  const uint64_t delay =
      std::max<uint64_t>(schedule.delay_ms(row.effect_id, row.sink, row.attempts),
                         uint64_t{outcome.retry_after_seconds} * 1000);
  row.next_us = now + static_cast<int64_t>(delay) * 1000;
  if (row.attempts == 1) {
    log::warning("notification {} to \"{}\" failed: {}; tried again", row.effect_id, row.sink,
                 lane.counters.last_error);
  }
  // Should this not be stored, a restart only tries sooner.
  static_cast<void>(
      store_.retry_later(row.effect_id, row.sink, row.next_us, row.attempts).has_value());
  pump(lane);
}

void Notifier::finish(Lane& lane, Store::End end) {
  OutboxRow row = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  end_row(std::move(row), end);
}

/// A row that the disk has not even taken yet ends together with its debt.
void Notifier::end_row(OutboxRow row, Store::End end) {
  const int64_t now = options_.wall_us();
  const auto same = [&](const Debt& d) {
    return d.row.effect_id == row.effect_id && d.row.sink == row.sink;
  };
  if (auto debt = std::ranges::find_if(debts_, same); debt != debts_.end()) {
    debt->finish = end;
    debt->finished_us = now;
    return;
  }
  if (!store_.finish(row.effect_id, row.sink, end, now)) {
    owe({.row = std::move(row), .finish = end, .finished_us = now});
  }
}

void Notifier::owe(Debt debt) {
  if (debts_.size() >= kMostDebts) debts_.pop_front();
  debts_.push_back(std::move(debt));
  if (!settle_timer_.active()) settle_timer_.start(options_.settle_every_ms);
}

/// Stores what a full disk refused, in its order; the first refusal ends the round.
void Notifier::settle() {
  while (!debts_.empty()) {
    Debt& debt = debts_.front();
    if (debt.add && !store_.add(debt.row)) break;
    debt.add = false;
    if (debt.finish &&
        !store_.finish(debt.row.effect_id, debt.row.sink, *debt.finish, debt.finished_us))
      break;
    debts_.pop_front();
  }
  if (!debts_.empty()) settle_timer_.start(options_.settle_every_ms);
}

std::vector<Notifier::SinkCounters> Notifier::counters() const {
  std::vector<SinkCounters> result;
  for (const auto& lane : lanes_) {
    result.push_back(lane->counters);
    result.back().waiting = lane->waiting.size();
  }
  return result;
}

}  // namespace serin::aggregator
