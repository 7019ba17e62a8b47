#include "aggregator/bus/reader.h"

#include <fmt/core.h>

#include <utility>

#include "aggregator/bus/input.h"
#include "aggregator/bus/streams.h"
#include "common/bus/subjects.h"
#include "schema/wire.h"

namespace serin::aggregator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kIdle{1000};
constexpr milliseconds kTroublePause{2000};
constexpr milliseconds kPatience{250};  // for one message; also how late stop() may be noticed

}  // namespace

Reader::Reader(Bus::StreamLimits limits, std::shared_ptr<Link> link,
               std::shared_ptr<MailQueue> mail, std::shared_ptr<LastSequences> audit_sequences)
    : limits_(limits),
      link_(std::move(link)),
      mail_(std::move(mail)),
      audit_sequences_(std::move(audit_sequences)) {}

void Reader::read_input(uint64_t after) {
  {
    const std::lock_guard lock(mutex_);
    if (!wanted_after_) wanted_after_ = after;
  }
  link_->wake();
}

void Reader::run() {
  while (!link_->stopped()) pass();
  link_->shut();
  mail_->push_always(EndedMail{});
}

void Reader::pass() {
  link_->maintain(link_);
  const Link::State state = link_->state();
  const Clock::time_point now = Clock::now();
  if (!state.session) return link_->wait(now + kIdle);
  if (now < pause_until_) return link_->wait(pause_until_);
  if (!ensure(state)) return pause();
  if (!audit_done_) return read_audit(state);
  {
    const std::lock_guard lock(mutex_);
    if (wanted_after_ && !std::exchange(began_, true)) input_position_ = *wanted_after_;
  }
  if (!began_) return link_->wait(Clock::now() + kIdle);
  read_input(state);
}

bool Reader::ensure(const Link::State& state) {
  if (ensured_epoch_ == state.epoch) return true;
  const auto made = ensure_streams(state.session->js(), limits_);
  if (made) {
    ensured_epoch_ = state.epoch;
  } else {
    link_->report(made.error().message);
  }
  return made.has_value();
}

std::optional<PullReader> Reader::open(const Link::State& state, const char* stream,
                                       const char* filter, uint64_t after) {
  auto made = PullReader::open(state.session, stream, filter, after);
  if (made) return std::move(*made);
  link_->report(made.error().message);
  ensured_epoch_ = 0;  // the stream may be gone
  pause();
  return std::nullopt;
}

void Reader::pause() {
  pause_until_ = Clock::now() + kTroublePause;
}

void Reader::read_audit(const Link::State& state) {
  auto reader = open(state, bus::kAuditStream, bus::kAudit, audit_position_);
  if (!reader) return;
  bool more = reader->pending_at_start() > 0;
  while (more && link_->same(state.epoch)) {
    const size_t room = mail_->room();
    PullReader::Message message;
    const auto got = reader->next(room, kPatience, message);
    if (got == PullReader::Got::lost) return;
    if (got == PullReader::Got::nothing && room == 0) link_->wait(Clock::now() + kIdle);
    if (got != PullReader::Got::message) continue;
    audit_message(message);
    more = message.about.pending > 0;
  }
  if (more) return;
  audit_done_ = true;
  mail_->push_always(AuditEndMail{});
}

void Reader::audit_message(PullReader::Message& message) {
  const std::string subject = natsMsg_GetSubject(message.raw.get());
  audit_position_ = message.about.stream_sequence;
  audit_sequences_->set(subject, audit_position_);
  auto decision = wire::decode_decision(bus::payload(message.raw.get()));
  if (!decision) return unreadable(audit_position_, subject, decision.error().message);
  mail_->push_always(AuditMail{std::move(*decision)});
}

std::optional<uint64_t> Reader::find_place(const Link::State& state) {
  jsStreamInfo* raw = nullptr;
  const natsStatus status =
      js_GetStreamInfo(&raw, state.session->js(), bus::kInputStream, nullptr, nullptr);
  const bus::StreamInfoPtr info(raw);
  if (status != NATS_OK) {
    ensured_epoch_ = 0;
    link_->report(
        fmt::format("cannot look at {}: {}", bus::kInputStream, bus::last_error_text(status)));
    pause();
    return std::nullopt;
  }
  const bool other = input_created_ != 0 && input_created_ != info->Created;
  if (input_position_ > 0 && (other || info->State.LastSeq < input_position_)) {
    mail_->push_always(StoreLostMail{
        fmt::format("{} has lost what was read up to {}: it {} and ends at {}. Reading goes on "
                    "with what is there",
                    bus::kInputStream, input_position_,
                    other ? "was made anew" : "is an older copy", info->State.LastSeq)});
    input_position_ = 0;
  }
  input_created_ = info->Created;
  return info->State.LastSeq;
}

void Reader::read_input(const Link::State& state) {
  const auto end = find_place(state);
  if (!end) return;
  auto reader = open(state, bus::kInputStream, bus::kAll, input_position_);
  if (!reader) return;
  if (target_ == 0) target_ = *end;
  catch_up(reader->pending_at_start() == 0);
  while (link_->same(state.epoch)) {
    const size_t room = mail_->room();
    PullReader::Message message;
    const auto got = reader->next(room, kPatience, message);
    if (got == PullReader::Got::lost) return;
    if (got == PullReader::Got::nothing && room == 0) link_->wait(Clock::now() + kIdle);
    if (got != PullReader::Got::message) continue;
    input_message(message);
    catch_up(input_position_ >= target_ || message.about.pending == 0);
  }
}

void Reader::input_message(PullReader::Message& message) {
  const char* const subject = natsMsg_GetSubject(message.raw.get());
  input_position_ = message.about.stream_sequence;
  auto body = read_input_body(subject, bus::payload(message.raw.get()));
  if (!body) return unreadable(input_position_, subject, body.error().message);
  mail_->push_always(core::Input{input_position_, message.about.stored_us, std::move(*body)});
}

void Reader::catch_up(bool reached) {
  if (reached && !std::exchange(caught_up_, true)) mail_->push_always(CaughtUpMail{});
}

void Reader::unreadable(uint64_t seq, std::string subject, std::string error) {
  mail_->push_always(Bus::Unreadable{seq, std::move(subject), std::move(error)});
}

}  // namespace serin::aggregator
