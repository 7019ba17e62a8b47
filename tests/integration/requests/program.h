#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/file.h"

namespace serin::agent {

/// A program that runs beside the test, with pipes to its standard input and output; killed at the
/// end.
class Program {
 public:
  explicit Program(std::vector<std::string> argv);
  ~Program();
  Program(Program&& other) noexcept;
  Program& operator=(Program&&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  void write_line() const;
  /// The next line of its output, if there is one yet; it has ended when ended() is true too.
  std::optional<std::string> line();
  /// Waits for the next line, at most 20 s.
  std::string wait_for_line();
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  pid_t pid_ = -1;
  UniqueFd in_, out_;
  std::string text_;
  bool ended_ = false;
};

/// The path of a program of the host, in /usr/sbin or /usr/bin; empty when it is not installed.
std::string installed(const std::string& name);
/// A TCP port that nobody listens on at the moment.
uint16_t free_port();
/// Waits until somebody accepts connections there, at most 10 s.
bool wait_for_port(uint16_t port);

}  // namespace serin::agent
