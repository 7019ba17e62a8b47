#include "agent/uplink/publisher.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <utility>

#include "agent/uplink/ack.h"
#include "agent/uplink/stamp.h"
#include "common/bus/attention.h"
#include "common/bus/subjects.h"
#include "schema/wire.h"

namespace serin::agent {
namespace {

using std::chrono::milliseconds;

constexpr size_t kWindow = 32;  // hand-overs without an answer: some 30 kB that may come twice
// An answer that is lost with a server, and one to what permissions forbid, never comes.
constexpr milliseconds kAckLimit{2000};
constexpr milliseconds kFirstPause{250}, kLongestPause{5000};
constexpr milliseconds kFirstForbiddenPause{1000}, kLongestForbiddenPause{60'000};
constexpr milliseconds kFirstReopenPause{500}, kLongestReopenPause{5000};
constexpr milliseconds kIdle{60'000};
constexpr uint64_t kMessageTooLarge = 10054;
constexpr std::string_view kAcks = ".ack.";

std::shared_ptr<Exchange> exchange_of(void* closure) {
  return bus::Closure::target<Exchange>(closure);
}

// The handlers below run on cnats' delivery thread: they hand over and return.

void on_ack(natsConnection*, natsSubscription*, natsMsg* raw, void* closure) {
  bus::MessagePtr message(raw);
  if (auto exchange = exchange_of(closure)) exchange->leave(AckMail{std::move(message)});
}

template <IncomingMail::From from>
void on_message(natsConnection*, natsSubscription*, natsMsg* raw, void* closure) {
  bus::MessagePtr message(raw);
  if (auto exchange = exchange_of(closure)) exchange->leave_incoming({from, std::move(message)});
}

bus::ConnectionOptions connection_options(const Uplink::Options& options) {
  return {.urls = options.urls,
          .credentials = options.credentials,
          .name = "serin-agent " + options.host,
          .inbox_prefix = bus::agent_inbox_prefix(options.host),
          .reconnect_buffer_bytes = 0};  // the ring is our buffer, and it keeps the order
}

}  // namespace

Publisher::Publisher(Uplink::Options options, std::shared_ptr<Exchange> exchange,
                     std::shared_ptr<bus::LoopQueue<Delivery>> deliveries)
    : options_(std::move(options)),
      exchange_(std::move(exchange)),
      deliveries_(std::move(deliveries)),
      closure_(exchange_),
      reopen_pause_(kFirstReopenPause, kLongestReopenPause, boot_now_us()),
      window_(kWindow),
      pause_(kFirstPause),
      last_values_(options_.host, options_.services) {}

void Publisher::run() {
  now_ = Clock::now();
  while (!finished()) {
    pass();
    auto mail = exchange_->wait(next_pass());
    now_ = Clock::now();
    for (Mail& one : mail) std::visit([this](auto& kind) { on(kind); }, one);
  }
  shut();
  deliveries_->push_always({.kind = Delivery::Kind::ended});
}

void Publisher::pass() {
  expire();
  settle_drain();
  if (closed_) shut();
  if (!connection_ && now_ >= reopen_at_) open();
  if (!connected_) return;
  if (exchange_->take_overrun()) last_values_.restart(inbox_, now_);
  if (auto trouble = last_values_.ask(*connection_, now_)) exchange_->note(std::move(*trouble));
  pump();
}

Clock::time_point Publisher::next_pass() const {
  Clock::time_point next = now_ + kIdle;
  if (!connection_) next = std::min(next, reopen_at_);
  if (connected_) {
    if (const auto question = last_values_.next()) next = std::min(next, *question);
    if (resume_at_ > now_) next = std::min(next, resume_at_);
    if (!in_flight_.empty()) next = std::min(next, in_flight_.begin()->second.deadline);
    for (const auto& [channel, forbidden] : forbidden_) {
      if (!forbidden.trying && forbidden.until > now_) next = std::min(next, forbidden.until);
    }
  }
  if (const auto deadline = exchange_->closing()) next = std::min(next, *deadline);
  return next;
}

bool Publisher::finished() const {
  const auto deadline = exchange_->closing();
  return deadline && (exchange_->empty() || now_ >= *deadline);
}

void Publisher::open() {
  auto made = bus::Connection::open(connection_options(options_), exchange_);
  reopen_at_ = Clock::now() + reopen_pause_.next();
  if (!made) return exchange_->note(made.error().message);
  connection_ = std::move(*made);
  if (auto subscribed = subscribe(); !subscribed) {
    exchange_->note(subscribed.error().message);
    shut();
  }
}

Result<void> Publisher::subscribe() {
  using From = IncomingMail::From;
  inbox_ = connection_->new_inbox();
  const std::pair<std::string, natsMsgHandler> wanted[] = {
      {inbox_ + ".*", on_message<From::last_value>},
      {fmt::format("{}{}*", inbox_, kAcks), on_ack},
      {bus::commands_of_host(options_.host), on_message<From::commands>},
      {bus::kAttentionOfAll, on_message<From::attention>},
  };
  for (const auto& [subject, handler] : wanted) {
    auto made = connection_->subscribe(subject, handler, closure_);
    if (!made) return std::unexpected(made.error());
    subscriptions_.push_back(std::move(*made));
  }
  return {};
}

void Publisher::shut() {
  subscriptions_.clear();
  connection_.reset();
  connected_ = closed_ = false;
  in_flight_.clear();
  exchange_->rewind();
  exchange_->set_connected(false, false);
}

void Publisher::on(const LinkMail& mail) {
  using Change = LinkMail::Change;
  connected_ = mail.change == Change::connected && connection_ != nullptr;
  if (mail.change == Change::closed && connection_) {
    closed_ = true;
    exchange_->note("NATS closed the connection: " + connection_->last_error());
  }
  exchange_->set_connected(connected_, connected_ && ever_connected_);
  in_flight_.clear();  // their acks are lost with the old connection
  exchange_->rewind();
  draining_ = false;
  if (!connected_) return;
  ever_connected_ = true;
  reconnects_ = connection_->reconnects();
  reopen_pause_.reset();
  window_ = kWindow;
  pause_ = kFirstPause;
  resume_at_ = now_;
  forbidden_.clear();  // the credentials may be new
  last_values_.restart(inbox_, now_);
}

void Publisher::on(const ErrorMail& mail) {
  exchange_->note(mail.text);
  if (!mail.text.contains("ermissions")) return;
  if (const auto channel = exchange_->channel_named_in(mail.text)) forbidden_.try_emplace(*channel);
}

void Publisher::on(AckMail& mail) {
  const std::string_view subject = natsMsg_GetSubject(mail.message.get());
  const std::string_view number = bus::last_token(subject);
  uint64_t which = 0;
  std::from_chars(number.data(), number.data() + number.size(), which);
  const auto found = in_flight_.find(which);
  if (found == in_flight_.end()) return;  // given up, or handed over on a connection that is gone
  const HandOver hand_over = found->second;
  in_flight_.erase(found);
  const Ack ack =
      read_ack(bus::header(mail.message.get(), "Status"), bus::payload(mail.message.get()));
  if (ack.stored) {
    exchange_->acknowledged(hand_over.id);
    forbidden_.erase(hand_over.channel);
    pause_ = kFirstPause;
    window_ = std::min(window_ * 2, kWindow);
  } else if (ack.code == kMessageTooLarge) {
    exchange_->drop(hand_over.id, "the stream refused a message as too large: " + ack.why);
  } else {
    publish_failed(hand_over, ack.why);
  }
}

/// Hand-overs that nobody answered in time.
void Publisher::expire() {
  while (!in_flight_.empty() && in_flight_.begin()->second.deadline <= now_) {
    const HandOver hand_over = in_flight_.begin()->second;
    in_flight_.erase(in_flight_.begin());
    publish_failed(hand_over, "no answer");
  }
}

void Publisher::publish_failed(const HandOver& hand_over, const std::string& why) {
  if (forbidden_failed(hand_over)) return;
  exchange_->count_failure("publish failed: " + why);
  draining_ = true;
}

bool Publisher::forbidden_failed(const HandOver& hand_over) {
  const auto found = forbidden_.find(hand_over.channel);
  if (found == forbidden_.end()) return false;
  Forbidden& forbidden = found->second;
  exchange_->count_failure({});  // the server's own words stay
  exchange_->release(hand_over.id);
  if (now_ < forbidden.until && !forbidden.trying)
    return true;  // one of several that were under way together
  forbidden.trying = false;
  forbidden.pause = std::clamp(forbidden.pause * 2, kFirstForbiddenPause, kLongestForbiddenPause);
  forbidden.until = now_ + forbidden.pause;
  return true;
}

/// Ends a drain when nothing is under way any more: only then is it known what has to go again.
void Publisher::settle_drain() {
  if (!draining_ || !in_flight_.empty()) return;
  draining_ = false;
  exchange_->rewind();
  back_off();
}

void Publisher::back_off() {
  window_ = 1;
  resume_at_ = now_ + pause_;
  pause_ = std::min(pause_ * 2, kLongestPause);
}

void Publisher::pump() {
  while (!draining_ && in_flight_.size() < window_ && now_ >= resume_at_ && same_connection()) {
    const auto outgoing = exchange_->take([this](size_t channel) { return allowed(channel); });
    if (!outgoing) return;
    hand_over(*outgoing);
  }
}

/// Up, and without a break that we have not been told of: after one, older messages have to go
/// first.
bool Publisher::same_connection() const {
  return connection_->up() && connection_->reconnects() == reconnects_;
}

bool Publisher::allowed(size_t channel) const {
  const auto found = forbidden_.find(channel);
  return found == forbidden_.end() || (!found->second.trying && now_ >= found->second.until);
}

void Publisher::hand_over(const Exchange::Outgoing& outgoing) {
  const auto stamped = with_age(outgoing.payload, outgoing.end_boot_us);
  if (!stamped) return exchange_->drop(outgoing.id, stamped.error().message);
  const HandOver made{outgoing.id, outgoing.channel, now_ + kAckLimit};
  const uint64_t number = ++last_hand_over_;
  const natsStatus status = publish(outgoing, *stamped, number);
  if (status == NATS_OK) {
    in_flight_.emplace(number, made);
    if (const auto found = forbidden_.find(outgoing.channel); found != forbidden_.end())
      found->second.trying = true;
  } else if (status == NATS_MAX_PAYLOAD) {
    exchange_->drop(
        outgoing.id,
        fmt::format("a message of {} bytes is above the server's max_payload", stamped->size()));
  } else {
    publish_failed(made, bus::last_error_text(status));
  }
}

/// To JetStream a message with a reply subject; no more is needed than that. cnats' own way adds a
/// timer, a subscription and three turns of its threads to every message.
natsStatus Publisher::publish(const Exchange::Outgoing& outgoing, const Bytes& stamped,
                              uint64_t number) {
  const std::string reply = fmt::format("{}{}{}", inbox_, kAcks, number);
  return natsConnection_PublishRequest(connection_->get(), outgoing.subject.c_str(), reply.c_str(),
                                       stamped.data(), static_cast<int>(stamped.size()));
}

void Publisher::on(IncomingMail& mail) {
  using What = LastValues::What;
  natsMsg* const message = mail.message.get();
  if (mail.from == IncomingMail::From::last_value) {
    const auto answer = last_values_.answered(message);
    if (!answer || !answer->has_value) return;
    return answer->what == What::command ? deliver_command(answer->service, message)
                                         : deliver_attention(answer->service, message);
  }
  const std::string service(bus::last_token(natsMsg_GetSubject(message)));
  if (std::ranges::find(options_.services, service) == options_.services.end())
    return;  // another host's business
  if (mail.from == IncomingMail::From::commands) {
    last_values_.overtaken(What::command, service);
    deliver_command(service, message);
  } else {
    last_values_.overtaken(What::attention, service);
    deliver_attention(service, message);
  }
}

void Publisher::deliver_command(const std::string& service, natsMsg* message) {
  const auto bytes = bus::payload(message);
  if (bytes.size() > wire::kMaxCommandBytes) {
    return exchange_->note(
        fmt::format("a command for {} of {} bytes is too long: ignored", service, bytes.size()));
  }
  deliver({.kind = Delivery::Kind::command,
           .service = service,
           .command = Bytes(bytes.begin(), bytes.end())});
}

void Publisher::deliver_attention(const std::string& service, natsMsg* message) {
  const auto attention = bus::decode_attention(bus::payload(message));
  if (!attention) return exchange_->note(attention.error().message);
  const uint32_t lasting = remaining_seconds(
      attention->lasting_seconds, bus::header(message, "Nats-Time-Stamp"), std::time(nullptr));
  if (lasting == 0) return;  // lapsed while nobody listened
  deliver({.kind = Delivery::Kind::attention,
           .service = service,
           .interval_ms = attention->interval_ms,
           .lasting_seconds = lasting});
}

void Publisher::deliver(Delivery delivery) {
  if (!deliveries_->push(std::move(delivery)))
    last_values_.restart(inbox_, now_ + kFirstPause);  // the loop is stuck
}

}  // namespace serin::agent
