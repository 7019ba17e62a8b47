#include "agent/version/ask_once.h"

#include <optional>

#include "agent/version/version_question.h"
#include "common/loop.h"

namespace serin::agent {

Result<std::string> ask_version_once(const ServiceFile& service) {
  UvLoop loop;
  auto question = make_version_question(service, loop.get(), nullptr);
  if (!question) return std::unexpected(question.error());
  if (*question == nullptr) return fail("the version is not asked for");
  std::optional<Result<std::string>> answer;
  (*question)->ask({}, [&](Result<std::string> said) { answer = std::move(said); });
  while (!answer) loop.run_once();
  question->reset();
  return std::move(*answer);
}

}  // namespace serin::agent
