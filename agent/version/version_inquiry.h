#pragma once

#include <memory>
#include <string>

#include "agent/version/version_question.h"
#include "common/loop.h"

namespace serin::agent {

/// Asks a version question after a start until it is answered: again after 0.2 s, then each time
/// after twice as long, at most 5 s, and for 60 s in all.
class VersionInquiry {
 public:
  struct Pace {
    uint64_t first_ms = 200, longest_ms = 5000, in_all_ms = 60'000;
  };
  using Answer = VersionQuestion::Answer;

  VersionInquiry(uv_loop_t* loop, std::unique_ptr<VersionQuestion> question, Pace pace);
  VersionInquiry(uv_loop_t* loop, std::unique_ptr<VersionQuestion> question);

  /// About a generation that has begun; what was asked about another is given up. The answer is the
  /// version, or why it stays unknown; called once, and not from within begin().
  void begin(std::string generation, Answer answer);
  /// The generation is gone.
  void stop();
  /// Why the last try had no answer; empty before.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void ask();
  void take(Result<std::string> answer);

  uv_loop_t* loop_;
  std::unique_ptr<VersionQuestion> question_;
  Pace pace_;
  std::string generation_;
  Answer answer_;
  uint64_t wait_ms_ = 0, until_ms_ = 0;
  std::string problem_;
  UvTimer again_;
};

}  // namespace serin::agent
