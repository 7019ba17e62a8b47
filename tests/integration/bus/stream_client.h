#pragma once

#include <uv.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/bus/handles.h"
#include "schema/messages.h"

namespace serin::test {

/// A plain client of JetStream for tests: makes streams, publishes, and looks at what is stored.
/// Fails the test program when the server does not do as asked.
class StreamClient {
 public:
  explicit StreamClient(const std::string& url);
  ~StreamClient();
  StreamClient(const StreamClient&) = delete;
  StreamClient& operator=(const StreamClient&) = delete;

  struct Stream {
    std::string name;
    std::vector<std::string> subjects;
    int64_t per_subject = -1;
    int64_t max_bytes = 16 << 20;
    int64_t max_age_seconds = 0;
  };
  void add_stream(const Stream& stream);
  /// SERIN_INPUT, SERIN_COMMANDS and SERIN_ATTENTION as agents expect them.
  void add_agent_streams();
  void delete_stream(const std::string& name);
  void purge_stream(const std::string& name);
  void set_duplicates_window(const std::string& name, int64_t milliseconds);
  bus::StreamInfoPtr info(const std::string& name);  ///< null when there is no such stream

  uint64_t publish(const std::string& subject, std::span<const uint8_t> payload,
                   const std::string& message_id = {});
  /// Without waiting for an ack; flush() waits until the server has read all of it.
  void publish_unacked(const std::string& subject, std::span<const uint8_t> payload);
  void flush();

  struct Stored {
    uint64_t seq = 0;
    std::string subject;
    Bytes payload;
    std::string message_id;
  };
  std::vector<Stored> read(const std::string& stream);

 private:
  natsConnection* connection_ = nullptr;
  bus::JetStreamPtr jet_stream_;
};

/// A loop for tests: turns until a condition holds; false when it does not within the limit.
class TestLoop {
 public:
  TestLoop();
  ~TestLoop();
  TestLoop(const TestLoop&) = delete;
  TestLoop& operator=(const TestLoop&) = delete;

  uv_loop_t* get() { return &loop_; }
  bool until(const std::function<bool()>& holds,
             std::chrono::seconds limit = std::chrono::seconds(30));

 private:
  uv_loop_t loop_{};
  uv_timer_t tick_{};
};

}  // namespace serin::test
