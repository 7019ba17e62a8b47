#include "aggregator/bus/pull_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace serin::aggregator {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kExpiresNs = 10 * kSecond;  // a request without an end would survive us
constexpr int64_t kHeartbeatNs = kSecond;
constexpr std::chrono::milliseconds kSilence{3500};  // three heartbeats
constexpr int64_t kInactiveNs = 60 * kSecond;        // the server removes a forgotten consumer

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> tokens;
  for (size_t begin = 0;;) {
    const size_t dot = text.find('.', begin);
    tokens.push_back(text.substr(begin, dot - begin));
    if (dot == std::string_view::npos) return tokens;
    begin = dot + 1;
  }
}

bool number(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`; with
/// domains, two tokens more after ACK and perhaps one at the end.
Result<Delivered> parse_delivered(std::string_view reply) {
  const auto tokens = split(reply);
  const bool with_domain = tokens.size() >= 11;
  if ((tokens.size() != 9 && !with_domain) || tokens[0] != "$JS" || tokens[1] != "ACK") {
    return fail(fmt::format("{} is not a delivery of JetStream", reply));
  }
  const size_t at = with_domain ? 7 : 5;
  Delivered read;
  uint64_t stored_ns = 0;
  if (!number(tokens[at], read.stream_sequence) ||
      !number(tokens[at + 1], read.consumer_sequence) || !number(tokens[at + 2], stored_ns) ||
      !number(tokens[at + 3], read.pending)) {
    return fail(fmt::format("{} is not a delivery of JetStream", reply));
  }
  read.stored_us = static_cast<int64_t>(stored_ns / 1000);
  return read;
}

Result<PullReader> PullReader::open(std::shared_ptr<Session> session, const std::string& stream,
                                    const std::string& filter, uint64_t after) {
  PullReader made;
  made.session_ = std::move(session);
  made.stream_ = stream;
  if (auto done = made.subscribe(); !done) return std::unexpected(done.error());
  if (auto done = made.make_consumer(filter, after); !done) return std::unexpected(done.error());
  made.heard_ = Clock::now();
  return made;
}

Result<void> PullReader::subscribe() {
  inbox_ = session_->connection->new_inbox();
  auto made = session_->connection->subscribe_sync(inbox_);
  if (!made) return std::unexpected(made.error());
  subscription_ = std::move(*made);
  // Bounded by what we ask for; cnats' own limit would only drop what the server will not send
  // again.
  natsSubscription_SetPendingLimits(subscription_.get(), -1, -1);
  return {};
}

Result<void> PullReader::make_consumer(const std::string& filter, uint64_t after) {
  jsConsumerConfig config;
  jsConsumerConfig_Init(&config);
  config.DeliverPolicy = js_DeliverByStartSequence;
  config.OptStartSeq = after + 1;
  config.AckPolicy = js_AckNone;
  config.FilterSubject = filter.c_str();
  config.InactiveThreshold = kInactiveNs;
  config.MemoryStorage = true;
  jsConsumerInfo* raw = nullptr;
  jsErrCode code{};
  const natsStatus status =
      js_AddConsumer(&raw, session_->js(), stream_.c_str(), &config, nullptr, &code);
  const bus::ConsumerInfoPtr info(raw);
  if (status != NATS_OK) {
    return fail(fmt::format("cannot read {}: {} ({})", stream_, bus::last_error_text(status),
                            static_cast<int>(code)));
  }
  pending_at_start_ = info->NumPending;
  next_subject_ = fmt::format("$JS.API.CONSUMER.MSG.NEXT.{}.{}", stream_, info->Name);
  return {};
}

bool PullReader::request(size_t count) {
  const std::string text = fmt::format(R"({{"batch":{},"expires":{},"idle_heartbeat":{}}})", count,
                                       kExpiresNs, kHeartbeatNs);
  const natsStatus status =
      natsConnection_PublishRequest(session_->connection->get(), next_subject_.c_str(),
                                    inbox_.c_str(), text.data(), static_cast<int>(text.size()));
  if (status != NATS_OK) return false;
  under_way_ = count;
  heard_ = Clock::now();
  return true;
}

PullReader::Got PullReader::next(size_t room, std::chrono::milliseconds patience,
                                 Message& message) {
  if (under_way_ == 0) {
    if (room == 0) return Got::nothing;
    if (!request(std::min(room, kMaxBatch))) return Got::lost;
  }
  natsMsg* raw = nullptr;
  const natsStatus status = natsSubscription_NextMsg(&raw, subscription_.get(), patience.count());
  message.raw.reset(raw);
  if (status == NATS_TIMEOUT) return Clock::now() - heard_ > kSilence ? Got::lost : Got::nothing;
  if (status != NATS_OK) return Got::lost;
  heard_ = Clock::now();
  const std::string control = natsMsg_GetDataLength(raw) == 0 ? bus::header(raw, "Status") : "";
  return control.empty() ? on_message(message) : on_status(control);
}

PullReader::Got PullReader::on_status(const std::string& status) {
  if (status == "100") return Got::nothing;  // heartbeat
  if (status != "408" && status != "404")
    return Got::lost;  // 409: consumer deleted; 503: nobody there
  under_way_ = 0;      // the request has expired
  return Got::nothing;
}

PullReader::Got PullReader::on_message(Message& message) {
  const char* reply = natsMsg_GetReply(message.raw.get());
  const auto about = parse_delivered(reply != nullptr ? reply : "");
  if (!about || about->consumer_sequence != consumer_sequence_ + 1) return Got::lost;
  consumer_sequence_ = about->consumer_sequence;
  if (under_way_ > 0) --under_way_;
  message.about = *about;
  return Got::message;
}

}  // namespace serin::aggregator
