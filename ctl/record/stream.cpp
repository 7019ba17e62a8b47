#include "ctl/record/stream.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "aggregator/bus/input.h"
#include "common/bus/subjects.h"

namespace serin::ctl {
namespace {

constexpr int64_t kRequestWaitMs = 2000;

}  // namespace

/// Called on threads of cnats.
class StreamAccess::Listener final : public bus::ConnectionListener {
 public:
  void link_connected() override {}
  void link_disconnected() override {}
  void link_closed() override {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void link_error(std::string text) override {
    const std::lock_guard lock(mutex_);
    error_ = std::move(text);
  }

  bool take_closed() {
    const std::lock_guard lock(mutex_);
    return std::exchange(closed_, false);
  }
  std::string take_error() {
    const std::lock_guard lock(mutex_);
    return std::exchange(error_, {});
  }

 private:
  std::mutex mutex_;
  bool closed_ = false;  // guarded
  std::string error_;    // guarded
};

StreamAccess::StreamAccess(const Settings& settings) : listener_(std::make_shared<Listener>()) {
  options_.urls = settings.nats;
  options_.credentials = settings.credentials;
  options_.name = "serinctl record";
}

StreamAccess::~StreamAccess() = default;

Result<std::shared_ptr<aggregator::Session>> StreamAccess::session() {
  if (listener_->take_closed()) session_.reset();
  if (!session_) {
    auto connection = bus::Connection::open(options_, listener_);
    if (!connection) return std::unexpected(connection.error());
    auto made = std::make_shared<aggregator::Session>();
    made->connection = std::move(*connection);
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = kRequestWaitMs;
    jsCtx* raw = nullptr;
    if (natsConnection_JetStream(&raw, made->connection->get(), &options) != NATS_OK) {
      return fail("cannot make a JetStream context");
    }
    made->jet_stream.reset(raw);
    session_ = std::move(made);
  }
  if (session_->connection->up()) return session_;
  std::string reason = session_->connection->last_error();
  return fail(fmt::format("not connected to NATS at {}: {}", options_.urls.front(),
                          reason.empty() ? "nobody answers there" : reason));
}

/// A request that permissions forbid only times out; the server's reason comes on the side.
std::string StreamAccess::why(natsStatus status) const {
  const std::string error = listener_->take_error();
  return error.empty() ? bus::last_error_text(status) : error;
}

Result<StreamAccess::Extent> StreamAccess::extent() {
  const auto open = session();
  if (!open) return std::unexpected(open.error());
  jsStreamInfo* raw = nullptr;
  const natsStatus status =
      js_GetStreamInfo(&raw, (*open)->js(), bus::kInputStream, nullptr, nullptr);
  const bus::StreamInfoPtr info(raw);
  if (status == NATS_NOT_FOUND) {
    return fail(
        fmt::format("there is no stream {} yet: an aggregator makes it", bus::kInputStream));
  }
  if (status != NATS_OK) {
    return fail(fmt::format("cannot look at the stream {}: {}", bus::kInputStream, why(status)));
  }
  return Extent{
      .first = info->State.FirstSeq, .last = info->State.LastSeq, .created = info->Created};
}

Result<StreamAccess::Reader> StreamAccess::read_after(uint64_t sequence) {
  auto open = session();
  if (!open) return std::unexpected(open.error());
  return Reader::open(std::move(*open), bus::kInputStream, bus::kAll, sequence);
}

Result<std::optional<capture::Line>> StreamAccess::last_policy() {
  const auto open = session();
  if (!open) return std::unexpected(open.error());
  natsMsg* raw = nullptr;
  const natsStatus status =
      js_GetLastMsg(&raw, (*open)->js(), bus::kInputStream, bus::kPolicySubject, nullptr, nullptr);
  const bus::MessagePtr message(raw);
  if (status == NATS_NOT_FOUND) return std::nullopt;
  if (status != NATS_OK) return fail(why(status));
  auto line = line_of(raw, natsMsg_GetSequence(raw), natsMsg_GetTime(raw) / 1000);
  if (!line) return std::unexpected(line.error());
  return std::move(*line);
}

// A handful for each service: they are kept two hours, and one is sent every ten minutes.
Result<std::vector<capture::Line>> StreamAccess::last_warmups(uint64_t up_to) {
  auto open = session();
  if (!open) return std::unexpected(open.error());
  auto reader = Reader::open(std::move(*open), bus::kInputStream, bus::kWarmups, 0);
  if (!reader) return std::unexpected(reader.error());
  std::map<std::string, capture::Line> newest;
  for (uint64_t left = reader->pending_at_start(); left > 0; --left) {
    Reader::Message message;
    const auto got =
        reader->next(static_cast<size_t>(std::min<uint64_t>(left, Reader::kMaxBatch)),
                     std::chrono::milliseconds(kRequestWaitMs), message);
    if (got != Reader::Got::message) return fail("the stream was cut off");
    if (message.about.stream_sequence > up_to) break;
    auto line = line_of(message.raw.get(), message.about.stream_sequence, message.about.stored_us);
    if (line) newest.insert_or_assign(natsMsg_GetSubject(message.raw.get()), std::move(*line));
  }
  std::vector<capture::Line> lines;
  for (auto& [subject, line] : newest) lines.push_back(std::move(line));
  std::ranges::sort(lines, {}, &capture::Line::seq);
  return lines;
}

Result<capture::Line> line_of(natsMsg* message, uint64_t sequence, int64_t stored_us) {
  auto body = aggregator::read_input_body(natsMsg_GetSubject(message), bus::payload(message));
  if (!body) return std::unexpected(body.error());
  return capture::Line{.stored_us = stored_us, .seq = sequence, .body = std::move(*body)};
}

}  // namespace serin::ctl
