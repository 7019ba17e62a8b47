#include "tests/integration/bus/stream_client.h"

#include <fmt/core.h>

#include <cstdlib>

#include "common/bus/subjects.h"

namespace serin::test {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

void demand(natsStatus status, const std::string& what) {
  if (status == NATS_OK) return;
  fmt::print(stderr, "stream client: {}: {}\n", what, bus::last_error_text(status));
  std::abort();
}

}  // namespace

StreamClient::StreamClient(const std::string& url) {
  demand(natsConnection_ConnectTo(&connection_, url.c_str()), "connect");
  jsCtx* raw = nullptr;
  demand(natsConnection_JetStream(&raw, connection_, nullptr), "context");
  jet_stream_.reset(raw);
}

StreamClient::~StreamClient() {
  jet_stream_.reset();
  natsConnection_Destroy(connection_);
}

void StreamClient::add_stream(const Stream& stream) {
  std::vector<const char*> subjects;
  for (const std::string& subject : stream.subjects) subjects.push_back(subject.c_str());
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = stream.name.c_str();
  config.Subjects = subjects.data();
  config.SubjectsLen = static_cast<int>(subjects.size());
  config.MaxMsgsPerSubject = stream.per_subject;
  config.MaxBytes = stream.max_bytes;
  config.MaxAge = stream.max_age_seconds * kSecond;
  config.AllowDirect = true;
  jsErrCode code{};
  demand(js_AddStream(nullptr, jet_stream_.get(), &config, nullptr, &code),
         "add stream " + stream.name);
}

void StreamClient::add_agent_streams() {
  add_stream({bus::kInputStream, {bus::kSamples, bus::kEvents, bus::kControls}});
  add_stream({bus::kCommandStream, {bus::kCommands}, 1});
  add_stream({bus::kAttentionStream, {bus::kAttention}, 1});
}

void StreamClient::delete_stream(const std::string& name) {
  demand(js_DeleteStream(jet_stream_.get(), name.c_str(), nullptr, nullptr),
         "delete stream " + name);
}

void StreamClient::purge_stream(const std::string& name) {
  demand(js_PurgeStream(jet_stream_.get(), name.c_str(), nullptr, nullptr), "purge stream " + name);
}

void StreamClient::set_duplicates_window(const std::string& name, int64_t milliseconds) {
  const auto now = info(name);
  now->Config->Duplicates = milliseconds * 1'000'000;
  demand(js_UpdateStream(nullptr, jet_stream_.get(), now->Config, nullptr, nullptr),
         "update stream " + name);
}

bus::StreamInfoPtr StreamClient::info(const std::string& name) {
  jsStreamInfo* raw = nullptr;
  const natsStatus status =
      js_GetStreamInfo(&raw, jet_stream_.get(), name.c_str(), nullptr, nullptr);
  if (status == NATS_NOT_FOUND) return nullptr;
  demand(status, "info of " + name);
  return bus::StreamInfoPtr(raw);
}

uint64_t StreamClient::publish(const std::string& subject, std::span<const uint8_t> payload,
                               const std::string& message_id) {
  jsPubOptions options;
  jsPubOptions_Init(&options);
  if (!message_id.empty()) options.MsgId = message_id.c_str();
  jsPubAck* raw = nullptr;
  demand(js_Publish(&raw, jet_stream_.get(), subject.c_str(), payload.data(),
                    static_cast<int>(payload.size()), &options, nullptr),
         "publish " + subject);
  return bus::PubAckPtr(raw)->Sequence;
}

void StreamClient::publish_unacked(const std::string& subject, std::span<const uint8_t> payload) {
  demand(natsConnection_Publish(connection_, subject.c_str(), payload.data(),
                                static_cast<int>(payload.size())),
         "publish " + subject);
}

void StreamClient::flush() {
  demand(natsConnection_Flush(connection_), "flush");
}

std::vector<StreamClient::Stored> StreamClient::read(const std::string& stream) {
  std::vector<Stored> all;
  const auto state = info(stream);
  if (!state || state->State.Msgs == 0) return all;
  for (uint64_t seq = state->State.FirstSeq; seq <= state->State.LastSeq; ++seq) {
    natsMsg* raw = nullptr;
    const natsStatus status =
        js_GetMsg(&raw, jet_stream_.get(), stream.c_str(), seq, nullptr, nullptr);
    if (status == NATS_NOT_FOUND) continue;
    demand(status, "get message");
    const bus::MessagePtr message(raw);
    const auto bytes = bus::payload(raw);
    all.push_back({seq, natsMsg_GetSubject(raw), Bytes(bytes.begin(), bytes.end()),
                   bus::header(raw, "Nats-Msg-Id")});
  }
  return all;
}

TestLoop::TestLoop() {
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &tick_);
}

TestLoop::~TestLoop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  if (uv_loop_close(&loop_) != 0) {
    fmt::print(stderr, "a handle was left open on the loop\n");
    std::abort();
  }
}

bool TestLoop::until(const std::function<bool()>& holds, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  uv_timer_start(&tick_, [](uv_timer_t*) {}, 0, 5);
  bool held = holds();
  while (!held && std::chrono::steady_clock::now() < deadline) {
    uv_run(&loop_, UV_RUN_ONCE);
    held = holds();
  }
  uv_timer_stop(&tick_);
  return held;
}

}  // namespace serin::test
