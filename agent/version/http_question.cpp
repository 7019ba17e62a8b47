#include "agent/version/http_question.h"

#include <fmt/core.h>

#include "agent/version/json_pointer.h"

namespace serin::agent {

void HttpQuestion::ask(const std::string& /*generation*/, Answer answer) {
  stop();
  answer_ = std::move(answer);
  body_.clear();
  get_.emplace(loop_, http_.url, http_.json.empty() ? "*/*" : "application/json",
               HttpGet::Handlers{
                   .on_body =
                       [this](std::string_view part) {
                         body_ += part.substr(
                             0, kMostBodyBytes + 1 - std::min(kMostBodyBytes + 1, body_.size()));
                       },
                   .on_done = [this](const Result<std::string>& type) { answered(type); }},
               AnswerWanted{.header = http_.header});
  get_->start(timeout_ms_);
}

void HttpQuestion::answered(const Result<std::string>& content_type) {
  auto version = content_type ? read() : Result<std::string>(std::unexpected(content_type.error()));
  if (!version)
    version = fail(fmt::format("http://{}:{}{}: {}", http_.url.host, http_.url.port,
                               http_.url.target, version.error().message));
  if (auto answer = std::exchange(answer_, nullptr)) answer(std::move(version));
}

Result<std::string> HttpQuestion::read() const {
  if (!http_.header.empty()) {
    const std::string& value = get_->response().header();
    if (value.empty()) return fail(fmt::format("its answer has no header {}", http_.header));
    return version_in(value);
  }
  if (body_.size() > kMostBodyBytes)
    return fail("its answer is larger than 64 KiB; only a version is wanted");
  if (http_.json.empty()) return version_in(body_);
  auto text = text_at(body_, http_.json);
  if (!text) return text;
  return version_in(*text);
}

}  // namespace serin::agent
