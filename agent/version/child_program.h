#pragma once

#include <sys/types.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "common/loop.h"

namespace serin::agent {

/// How a program ended.
struct ProgramEnd {
  int64_t status = 0;
  int signal = 0;
  bool too_long = false;  ///< it was killed at the time limit
  bool too_much = false;  ///< it was killed as it wrote more than kMostBytes
  std::string output;     ///< standard output
  std::string error;      ///< the first of standard error
};

/// One run of a program, on the loop: an empty environment but PATH, standard input empty, in a
/// session of its own, all of which is killed at its end or at the time limit, whichever comes
/// first: what it leaves behind holds nothing up. give_up() kills it too, and it is to be kept until
/// the kernel has ended it; destroyed before that it is a zombie until the agent ends.
class ChildProgram {
 public:
  static constexpr size_t kMostBytes = 4096;      ///< a version is one line
  static constexpr size_t kMostErrorBytes = 200;  ///< shown as a reason
  using OnEnd = std::function<void(const ProgramEnd&)>;

  /// An error where it cannot be run. `on_end` is called once, later.
  static Result<std::unique_ptr<ChildProgram>> start(uv_loop_t* loop,
                                                     const std::vector<std::string>& argv,
                                                     uint64_t timeout_ms, OnEnd on_end);
  ~ChildProgram();
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  /// Kills it; `on_end` is not called any more.
  void give_up();
  [[nodiscard]] bool has_ended() const { return process_ == nullptr; }

 private:
  /// libuv needs it until it is closed.
  struct Process {
    uv_process_t handle{};
    ChildProgram* owner = nullptr;
  };
  struct Pipe {
    UniqueFd fd;
    std::optional<UvPoll> poll;
  };
  ChildProgram(uv_loop_t* loop, OnEnd on_end);
  Result<void> spawn(const std::vector<std::string>& argv);
  Result<UniqueFd> open(Pipe& pipe, void (ChildProgram::*read)());
  void read_output();
  void read_error();
  void kill() const;
  void ended(int64_t status, int signal);
  void close();

  uv_loop_t* loop_;
  OnEnd on_end_;
  ProgramEnd end_;
  Pipe output_, error_;
  UvTimer limit_;
  Process* process_ = nullptr;
};

}  // namespace serin::agent
