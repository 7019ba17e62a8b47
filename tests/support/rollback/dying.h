#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/rollback/observer.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {

/// Runs the action of `api` to its end, in this process.
void run(TestHost& host);

/// Delivers the command, or finds it delivered, and runs the action in a process of its own that
/// dies at the first moment of this name; false when there was none.
bool die_after(TestHost& host, const Command& command, std::string_view moment);

/// Delivers the command and runs the action in a process of their own that dies at the n-th moment.
/// False once there is no such moment any more.
bool die_at(TestHost& host, const Command& command, int n);

/// Does something at the first moment of this name.
class ChangingAt final : public StepObserver {
 public:
  ChangingAt(std::string_view moment, std::function<void()> change)
      : moment_(moment), change_(std::move(change)) {}
  void reached(std::string_view moment) override {
    if (moment == moment_ && change_) std::exchange(change_, nullptr)();
  }

 private:
  std::string_view moment_;
  std::function<void()> change_;
};

/// An action of kind command: a program that switches and restarts by itself, and notes each time
/// that it was run.
std::string by_command(const TestHost& host);

}  // namespace serin::helper
