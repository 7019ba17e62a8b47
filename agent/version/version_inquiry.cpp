#include "agent/version/version_inquiry.h"

#include <fmt/core.h>

#include <algorithm>

namespace serin::agent {

VersionInquiry::VersionInquiry(uv_loop_t* loop, std::unique_ptr<VersionQuestion> question,
                               Pace pace)
    : loop_(loop), question_(std::move(question)), pace_(pace), again_(loop, [this] { ask(); }) {}

VersionInquiry::VersionInquiry(uv_loop_t* loop, std::unique_ptr<VersionQuestion> question)
    : VersionInquiry(loop, std::move(question), Pace{}) {}

void VersionInquiry::begin(std::string generation, Answer answer) {
  stop();
  generation_ = std::move(generation);
  answer_ = std::move(answer);
  wait_ms_ = pace_.first_ms;
  uv_update_time(loop_);
  until_ms_ = uv_now(loop_) + pace_.in_all_ms;
  problem_.clear();
  ask();
}

void VersionInquiry::stop() {
  answer_ = nullptr;
  again_.stop();
  question_->stop();
}

void VersionInquiry::ask() {
  question_->ask(generation_, [this](Result<std::string> answer) { take(std::move(answer)); });
}

void VersionInquiry::take(Result<std::string> answer) {
  if (!answer) {
    problem_ = answer.error().message;
    if (uv_now(loop_) + wait_ms_ <= until_ms_) {
      again_.start(wait_ms_);
      wait_ms_ = std::min(2 * wait_ms_, pace_.longest_ms);
      return;
    }
    answer = fail(fmt::format("it did not tell its version within {} s of being asked: {}",
                              pace_.in_all_ms / 1000, problem_));
  }
  if (auto tell = std::exchange(answer_, nullptr)) tell(std::move(answer));
}

}  // namespace serin::agent
