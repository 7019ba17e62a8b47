#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/version/child_program.h"
#include "agent/version/version_question.h"

namespace serin::agent {

/// The first line that a program prints, which exits with 0 within 5 s. It runs as the agent's
/// user, within what confines the agent.
class CommandQuestion : public VersionQuestion {
 public:
  static constexpr uint64_t kTimeoutMs = 5000;
  CommandQuestion(uv_loop_t* loop, std::vector<std::string> argv, uint64_t timeout_ms = kTimeoutMs)
      : loop_(loop),
        argv_(std::move(argv)),
        timeout_ms_(timeout_ms),
        soon_(loop, [this] { std::exchange(answer_, nullptr)(fail(refused_)); }) {}

  void ask(const std::string& generation, Answer answer) override;
  void stop() override;

 private:
  void ended(const ProgramEnd& end);

  uv_loop_t* loop_;
  std::vector<std::string> argv_;
  uint64_t timeout_ms_;
  Answer answer_;
  std::unique_ptr<ChildProgram> running_;
  std::vector<std::unique_ptr<ChildProgram>> given_up_;  ///< until the kernel has ended them
  UvTimer soon_;
  std::string refused_;  ///< told by the loop
};

/// What a program's end says: a version, or why it is none.
Result<std::string> version_of(const std::string& program, const ProgramEnd& end);

}  // namespace serin::agent
