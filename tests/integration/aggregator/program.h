#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"

namespace serin::test {

/// A program of ours, from SERIN_BIN. It ends with the test, also when the test dies.
class Program {
 public:
  Program(const std::string& name, const std::vector<std::string>& arguments) {
    const char* folder = std::getenv("SERIN_BIN");
    const std::string file =
        (std::filesystem::path(folder ? folder : "build/dev/bin") / name).string();
    std::vector<char*> words{const_cast<char*>(file.c_str())};
    for (const std::string& argument : arguments)
      words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    pid_ = ::fork();
    SERIN_VERIFY(pid_ >= 0);
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execv(file.c_str(), words.data());
    ::_exit(127);
  }
  ~Program() { kill(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait_for_end();
  }
  /// SIGTERM; its exit status, or 128 and the signal that ended it.
  int terminate() {
    ::kill(pid_, SIGTERM);
    return wait_for_end();
  }
  int wait_for_end() {
    int status = 0;
    SERIN_VERIFY(::waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace serin::test
