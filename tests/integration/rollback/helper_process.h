#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "common/loop.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {

/// The real program, listening for a test host.
class HelperProcess {
 public:
  explicit HelperProcess(const TestHost& host) : host_(host) {}
  ~HelperProcess() { end(); }
  HelperProcess(const HelperProcess&) = delete;
  HelperProcess& operator=(const HelperProcess&) = delete;

  /// Starts it and waits until it answers.
  void start();
  /// kill -9, and waits for its end.
  void end();
  [[nodiscard]] std::filesystem::path socket() const { return host_.root() / "rollback.sock"; }

 private:
  const TestHost& host_;
  pid_t pid_ = -1;
};

/// Runs it to its end; its exit status.
int run_helper(const TestHost& host, const std::vector<std::string>& words);
pid_t start_helper(const TestHost& host, const std::vector<std::string>& words,
                   const std::function<void()>& in_child = {});

/// The `--run` processes of this host.
std::vector<pid_t> actions_of(const TestHost& host);

/// Connects, sends `packet` where it is not empty, and waits for the answer.
Result<HelperReply> talk(const std::filesystem::path& socket, const Bytes& packet);

/// Turns the loop until the condition holds; false after `seconds`.
bool turn_until(UvLoop& loop, const std::function<bool()>& condition, double seconds = 30);

}  // namespace serin::helper
