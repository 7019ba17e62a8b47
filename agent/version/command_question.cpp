#include "agent/version/command_question.h"

#include <fmt/core.h>

namespace serin::agent {
namespace {

constexpr size_t kMostGivenUp = 4;  // that the kernel cannot end: then no more are begun

std::string first_line(std::string_view text) {
  std::string line;
  for (char c : text.substr(0, text.find('\n'))) line += c >= 0x20 && c < 0x7F ? c : '?';
  return line;
}

}  // namespace

Result<std::string> version_of(const std::string& program, const ProgramEnd& end) {
  const std::string said = first_line(end.error);
  const std::string also = said.empty() ? "" : ": " + said;
  if (end.too_much)
    return fail(fmt::format("{} printed more than {} bytes; only a version is wanted", program,
                            ChildProgram::kMostBytes));
  if (end.too_long)
    return fail(fmt::format("{} did not end in time and was killed{}", program, also));
  if (end.signal != 0)
    return fail(fmt::format("{} ended by signal {}{}", program, end.signal, also));
  if (end.status != 0)
    return fail(fmt::format("{} ended with status {}{}", program, end.status, also));
  auto version = version_in(end.output);
  if (!version) return fail(fmt::format("{}: {}", program, version.error().message));
  return version;
}

void CommandQuestion::ask(const std::string& /*generation*/, Answer answer) {
  stop();
  std::erase_if(given_up_, [](const auto& program) { return program->has_ended(); });
  answer_ = std::move(answer);
  auto program = given_up_.size() >= kMostGivenUp
                     ? fail(argv_[0] + " was run before and cannot be ended")
                     : ChildProgram::start(loop_, argv_, timeout_ms_,
                                           [this](const ProgramEnd& end) { ended(end); });
  if (program) {
    running_ = std::move(*program);
    return;
  }
  refused_ = program.error().message;
  soon_.start(0);
}

void CommandQuestion::stop() {
  answer_ = nullptr;
  soon_.stop();
  if (!running_) return;
  running_->give_up();
  given_up_.push_back(std::move(running_));
}

void CommandQuestion::ended(const ProgramEnd& end) {
  if (answer_) std::exchange(answer_, nullptr)(version_of(argv_[0], end));
}

}  // namespace serin::agent
