#include "aggregator/bus/sender.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "aggregator/bus/streams.h"
#include "common/bus/subjects.h"

namespace serin::aggregator {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kMaxWaitMs = 2000;
constexpr milliseconds kFirstPause{100}, kLongestPause{2000};
constexpr milliseconds kEnsurePause{2000};  // looking at the streams takes four requests
constexpr milliseconds kIdle{60'000};
constexpr int kWrongLastSequence = 10071;
constexpr int kMessageTooLarge = 10054;
constexpr int kNoMessageFound = 10037;
constexpr int kNoStream = 10059;
constexpr int kMaxCorrections = 3;  // of an expected sequence within one attempt

const char* stream_of(const Outgoing& outgoing) {
  return outgoing.expect == Outgoing::Expect::audit ? bus::kAuditStream : bus::kCommandStream;
}

}  // namespace

Sender::Sender(Bus::StreamLimits limits, std::shared_ptr<Link> link,
               std::shared_ptr<MailQueue> mail, std::shared_ptr<LastSequences> audit_sequences)
    : limits_(limits),
      link_(std::move(link)),
      mail_(std::move(mail)),
      audit_sequences_(std::move(audit_sequences)) {}

void Sender::send(Outgoing outgoing) {
  const std::lock_guard lock(mutex_);
  if (closing_ || waiting_.size() >= kMaxWaiting) {
    return answer(outgoing,
                  fail(closing_ ? "the bus is being closed" : "too much waits for NATS already"));
  }
  outgoing.due = Clock::now();
  waiting_.push_back(std::move(outgoing));
  woken_ = true;
  changed_.notify_one();
}

void Sender::begin_close(Clock::time_point deadline) {
  const std::lock_guard lock(mutex_);
  closing_ = deadline;
  woken_ = true;
  changed_.notify_one();
}

void Sender::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_one();
}

void Sender::run() {
  while (auto outgoing = next()) {
    const Link::State state = link_->state();
    Attempt made;
    if (state.session) made = attempt(*state.session, *outgoing);
    if (made.stream_missing) ensure_again(*state.session);
    settle(std::move(*outgoing), made);
  }
  link_->stop();
}

std::optional<Outgoing> Sender::next() {
  for (;;) {
    const Clock::time_point now = Clock::now();
    const bool ready = link_->state().session != nullptr;
    std::unique_lock lock(mutex_);
    expire(now);
    if (closing_ && (waiting_.empty() || now >= *closing_)) {
      for (Outgoing& left : waiting_)
        answer(left, fail("the bus was closed before it could be stored"));
      waiting_.clear();
      return std::nullopt;
    }
    if (ready) {
      if (auto due = take_due(now)) return due;
    }
    changed_.wait_until(lock, next_deadline(now), [this] { return woken_; });
    woken_ = false;
  }
}

/// What was tried already stands in front, so the rest is in the order of its coming.
std::optional<Outgoing> Sender::take_due(Clock::time_point now) {
  std::set<std::string_view> kept_back;
  auto next = waiting_.end();
  for (auto one = waiting_.begin(); one != waiting_.end(); ++one) {
    const bool tried = one->pause.count() > 0;
    const bool first = !kept_back.contains(one->subject);
    if (tried) kept_back.insert(one->subject);
    if (!first || one->due > now) continue;
    if (next == waiting_.end() || one->due < next->due) next = one;
    if (!tried) break;
  }
  if (next == waiting_.end()) return std::nullopt;
  std::optional<Outgoing> taken(std::move(*next));
  waiting_.erase(next);
  return taken;
}

void Sender::expire(Clock::time_point now) {
  std::erase_if(waiting_, [&](Outgoing& one) {
    const bool over = one.deadline && now >= *one.deadline;
    if (over) answer(one, fail("NATS did not take it in time"));
    return over;
  });
}

Clock::time_point Sender::next_deadline(Clock::time_point now) const {
  Clock::time_point next = now + kIdle;
  if (closing_) next = std::min(next, *closing_);
  for (const Outgoing& one : waiting_) {
    if (one.deadline) next = std::min(next, *one.deadline);
    if (one.due > now) next = std::min(next, one.due);
  }
  return next;
}

void Sender::settle(Outgoing outgoing, const Attempt& attempt) {
  if (attempt.outcome == Outcome::again) {
    if (!attempt.text.empty() && attempt.text != outgoing.complaint) {
      link_->report(fmt::format("cannot store {}: {}", outgoing.subject, attempt.text));
      outgoing.complaint = attempt.text;
    }
    outgoing.pause = std::clamp(outgoing.pause * 2, kFirstPause, kLongestPause);
    outgoing.due = Clock::now() + outgoing.pause;
    const std::lock_guard lock(mutex_);
    waiting_.push_front(std::move(outgoing));
    return;
  }
  if (attempt.outcome == Outcome::stored) return answer(outgoing, {});
  answer(outgoing, fail(fmt::format("cannot store {}: {}", outgoing.subject, attempt.text)));
}

/// Somebody may have deleted the stream while the connection stood.
void Sender::ensure_again(Session& session) {
  const Clock::time_point now = Clock::now();
  if (now < ensure_at_) return;
  ensure_at_ = now + kEnsurePause;
  if (auto made = ensure_streams(session.js(), limits_); !made) link_->report(made.error().message);
}

void Sender::answer(Outgoing& outgoing, Result<void> result) {
  mail_->push_always(PublishedMail{std::move(outgoing.done), std::move(result)});
}

Sender::Attempt Sender::attempt(Session& session, const Outgoing& outgoing) {
  const auto last = expected(session, outgoing);
  if (!last) return last.error();
  link_->forget_errors();
  return publish(session, outgoing, *last);
}

Sender::Attempt Sender::publish(Session& session, const Outgoing& outgoing,
                                std::optional<uint64_t> expected) {
  jsPubOptions options;
  jsPubOptions_Init(&options);
  options.MaxWait = kMaxWaitMs;
  if (!outgoing.message_id.empty()) options.MsgId = outgoing.message_id.c_str();
  if (expected) {
    options.ExpectNoMessage = *expected == 0;
    options.ExpectLastSubjectSeq = *expected;
  }
  jsPubAck* raw = nullptr;
  jsErrCode code{};
  const natsStatus status =
      js_Publish(&raw, session.js(), outgoing.subject.c_str(), outgoing.payload.data(),
                 static_cast<int>(outgoing.payload.size()), &options, &code);
  const bus::PubAckPtr ack(raw);
  if (status != NATS_OK && static_cast<int>(code) == kWrongLastSequence)
    return conflict(session, outgoing, expected);
  if (status != NATS_OK) return failed(outgoing, status, static_cast<int>(code));
  if (expected) known(outgoing).set(outgoing.subject, std::max(*expected, ack->Sequence));
  return {.outcome = Outcome::stored};
}

Sender::Attempt Sender::failed(const Outgoing& outgoing, natsStatus status, int code) {
  const std::string text = bus::last_error_text(status);
  if (const std::string forbidden = link_->forbidden(outgoing.subject); !forbidden.empty()) {
    return {Outcome::refused, forbidden};
  }
  const bool for_good = status == NATS_MAX_PAYLOAD || code == kMessageTooLarge;
  return {for_good ? Outcome::refused : Outcome::again, text,
          status == NATS_NO_RESPONDERS || code == kNoStream};
}

/// The subject does not end where we thought. Either our own message was stored and its ack lost;
/// or what we knew has been lost by the server (age, an emptied store); or somebody else has
/// written, and then we must not.
Sender::Attempt Sender::conflict(Session& session, const Outgoing& outgoing,
                                 std::optional<uint64_t> expected) {
  for (int i = 0; i < kMaxCorrections; ++i) {
    const auto last = last_of(session, outgoing);
    if (!last) return last.error();
    if (last->sequence != 0 && last->message_id == outgoing.message_id) {
      known(outgoing).set(outgoing.subject, last->sequence);
      return {.outcome = Outcome::stored};
    }
    if (last->sequence > expected.value_or(0)) {
      return {Outcome::refused,
              "another aggregator has written there since (10071): this one must start anew"};
    }
    known(outgoing).set(outgoing.subject, last->sequence);
    if (last->sequence != expected) return publish(session, outgoing, last->sequence);
  }
  return {Outcome::again, "the subject's last sequence keeps changing"};
}

std::expected<Sender::Last, Sender::Attempt> Sender::last_of(Session& session,
                                                             const Outgoing& outgoing) {
  natsMsg* raw = nullptr;
  jsErrCode code{};
  const natsStatus status = js_GetLastMsg(&raw, session.js(), stream_of(outgoing),
                                          outgoing.subject.c_str(), nullptr, &code);
  const bus::MessagePtr message(raw);
  if (status == NATS_NOT_FOUND && static_cast<int>(code) == kNoMessageFound) return Last{};
  if (status != NATS_OK) {
    return std::unexpected(
        Attempt{Outcome::again, bus::last_error_text(status), static_cast<int>(code) == kNoStream});
  }
  return Last{natsMsg_GetSequence(raw), bus::header(raw, "Nats-Msg-Id")};
}

std::expected<std::optional<uint64_t>, Sender::Attempt> Sender::expected(Session& session,
                                                                         const Outgoing& outgoing) {
  if (outgoing.expect == Outgoing::Expect::nothing) return std::nullopt;
  if (const auto found = known(outgoing).find(outgoing.subject)) return found;
  if (outgoing.expect == Outgoing::Expect::audit)
    return std::optional<uint64_t>(0);  // the whole audit was read
  const auto last = last_of(session, outgoing);
  if (!last) return std::unexpected(last.error());
  known(outgoing).set(outgoing.subject, last->sequence);
  return std::optional<uint64_t>(last->sequence);
}

LastSequences& Sender::known(const Outgoing& outgoing) {
  return outgoing.expect == Outgoing::Expect::audit ? *audit_sequences_ : command_sequences_;
}

}  // namespace serin::aggregator
