#pragma once

#include <string>
#include <vector>

#include "ctl/console.h"
#include "ctl/run.h"

namespace serin::ctl {

/// Keeps what was said.
class StringConsole final : public Console {
 public:
  void out(std::string_view text) override { said += text; }
  void err(std::string_view text) override { complained += text; }
  void progress(std::string_view line) override { lines.emplace_back(line); }
  [[nodiscard]] bool intact() override { return !broken; }

  std::string said, complained;
  std::vector<std::string> lines;
  bool broken = false;
};

/// `serinctl WORDS…` in this process.
inline Exit serinctl(const std::vector<std::string>& words, Console& console) {
  std::vector<const char*> argv = {"serinctl"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  const auto invocation = parse(static_cast<int>(argv.size()), argv.data(), console);
  return invocation ? run(*invocation, console) : invocation.error();
}

}  // namespace serin::ctl
