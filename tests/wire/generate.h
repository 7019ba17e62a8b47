#pragma once

#include <random>
#include <string>
#include <vector>

#include "schema/capture.h"
#include "schema/messages.h"
#include "schema/policy.h"

namespace serin::test {

/// Makes valid messages: the same seed, the same messages. Fields are present or absent, small or
/// at their limits.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Sample sample();
  Event event();
  Control control();
  Command command();
  SignedCommand signed_command();
  Decision decision();
  HelperRequest helper_request();
  HelperReply helper_reply();
  Policy policy();
  PolicySet policy_set();
  /// A line as `serinctl record` writes it, or as a generated capture has it (without identity).
  capture::Line line();

  uint64_t below(uint64_t limit) { return random_() % limit; }
  bool coin() { return below(2) == 0; }
  /// UTF-8 without control characters, with everything in it that has to be escaped somewhere.
  std::string text(size_t most_characters = 20);
  double number();
  double amount() { return std::abs(number()); }
  ExpHistogram histogram(uint64_t most);

 private:
  Identity identity();
  std::string version();
  std::string host();
  std::string service();
  std::string hex(size_t digits);
  std::string warmup();
  Bytes bytes(size_t least, size_t most);
  int64_t time();
  int64_t age();
  uint64_t count();
  ProcessMetrics process();
  SocketMetrics sockets();
  RequestMetrics requests();
  std::vector<NamedValue> named(bool amounts);
  AgentSelf self();
  Reason reason();
  template <typename Value>
  std::optional<Value> maybe(Value value) {
    return coin() ? std::optional<Value>(value) : std::nullopt;
  }
  template <typename Enum>
  Enum any_of(size_t values) {
    return static_cast<Enum>(below(values));
  }

  std::mt19937_64 random_;
};

}  // namespace serin::test
