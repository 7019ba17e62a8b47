#pragma once

#include <optional>
#include <string>

#include "agent/request/http_get.h"
#include "agent/version/version_question.h"

namespace serin::agent {

/// What the service answers over HTTP within 2 s: the first line, what a JSON pointer leads to, or
/// a header.
class HttpQuestion : public VersionQuestion {
 public:
  static constexpr uint64_t kTimeoutMs = 2000;
  static constexpr size_t kMostBodyBytes = size_t{64} * 1024;
  HttpQuestion(uv_loop_t* loop, ServiceFile::VersionHttp http, uint64_t timeout_ms = kTimeoutMs)
      : loop_(loop), http_(std::move(http)), timeout_ms_(timeout_ms) {}

  void ask(const std::string& generation, Answer answer) override;
  void stop() override {
    answer_ = nullptr;
    get_.reset();
  }

 private:
  void answered(const Result<std::string>& content_type);
  [[nodiscard]] Result<std::string> read() const;

  uv_loop_t* loop_;
  ServiceFile::VersionHttp http_;
  uint64_t timeout_ms_;
  Answer answer_;
  std::optional<HttpGet> get_;
  std::string body_;
};

}  // namespace serin::agent
