#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace serin::agent {

/// A program that runs until it is ended, at the latest with its owner.
class Child {
 public:
  explicit Child(const std::filesystem::path& program, const std::string& argument = "1000",
                 const std::filesystem::path& folder = "/") {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      if (::chdir(folder.c_str()) == 0)
        ::execl(program.c_str(), program.c_str(), argument.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ready[1]);
    char byte = 0;
    [[maybe_unused]] ssize_t ended = ::read(ready[0], &byte, 1);  // closed by exec
    ::close(ready[0]);
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    end();
    pid_ = std::exchange(other.pid_, -1);
    return *this;
  }
  ~Child() { end(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Ends it and waits for that.
  void end(int signal = SIGKILL) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    reap();
  }
  void reap() {
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void signal(int number) const { ::kill(pid_, number); }

 private:
  pid_t pid_ = -1;
};

}  // namespace serin::agent
