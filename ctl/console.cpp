#include "ctl/console.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

namespace serin::ctl {

StandardConsole::StandardConsole() : live_(::isatty(STDERR_FILENO) == 1) {}

StandardConsole::~StandardConsole() {
  clear_progress();
}

void StandardConsole::out(std::string_view text) {
  clear_progress();
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  // At once: a person watches, or a pipeline waits for this line.
  intact_ = (std::fflush(stdout) == 0) && written && intact_;
}

void StandardConsole::err(std::string_view text) {
  clear_progress();
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void StandardConsole::progress(std::string_view line) {
  if (!live_) return;
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
  line_stands_ = true;
}

bool StandardConsole::intact() {
  return intact_;
}

void StandardConsole::clear_progress() {
  if (!line_stands_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  line_stands_ = false;
}

void complain(Console& console, std::string_view message) {
  console.err(fmt::format("serinctl: {}\n", message));
}

}  // namespace serin::ctl
