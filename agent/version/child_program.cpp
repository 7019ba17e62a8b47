#include "agent/version/child_program.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace serin::agent {
namespace {

constexpr size_t kReadBytes = 4096;
constexpr int kMostReadsPerTurn = 16;  // then the loop's other work has its turn
constexpr char kPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What our libraries opened without O_CLOEXEC is not for others.
void keep_descriptors() {
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
}

/// Where memory runs out it has to go before the agent. Only more than ours is asked for, which
/// needs no right.
void make_first_victim(pid_t pid) {
  const auto file = fmt::format("/proc/{}/oom_score_adj", pid);
  UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd) [[maybe_unused]]
    ssize_t written = ::write(fd.get(), "1000", 4);
}

/// False: it has ended.
template <typename Take>
bool read_some(int fd, Take take) {
  std::array<char, kReadBytes> buffer;
  for (int turn = 0; turn < kMostReadsPerTurn; ++turn) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    take(std::string_view(buffer.data(), static_cast<size_t>(got)));
  }
  return true;
}

void append(std::string& text, std::string_view part, size_t most) {
  text += part.substr(0, most - std::min(most, text.size()));
}

}  // namespace

Result<std::unique_ptr<ChildProgram>> ChildProgram::start(uv_loop_t* loop,
                                                          const std::vector<std::string>& argv,
                                                          uint64_t timeout_ms, OnEnd on_end) {
  std::unique_ptr<ChildProgram> program(new ChildProgram(loop, std::move(on_end)));
  if (auto spawned = program->spawn(argv); !spawned) return std::unexpected(spawned.error());
  program->limit_.start(timeout_ms);
  return program;
}

ChildProgram::ChildProgram(uv_loop_t* loop, OnEnd on_end)
    : loop_(loop), on_end_(std::move(on_end)), limit_(loop, [this] {
        end_.too_long = true;
        kill();
      }) {}

ChildProgram::~ChildProgram() {
  kill();
  close();
}

Result<UniqueFd> ChildProgram::open(Pipe& pipe, void (ChildProgram::*read)()) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return fail(fmt::format("no pipe to it: {}", errno_text(errno)));
  pipe.fd.reset(ends[0]);
  UniqueFd other(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  auto poll = UvPoll::make(loop_, ends[0], [this, read](int, int) { (this->*read)(); });
  if (!poll) return std::unexpected(poll.error());
  pipe.poll.emplace(std::move(*poll));
  pipe.poll->start(UV_READABLE);
  return other;
}

Result<void> ChildProgram::spawn(const std::vector<std::string>& argv) {
  auto output = open(output_, &ChildProgram::read_output);
  if (!output) return std::unexpected(output.error());
  auto error = open(error_, &ChildProgram::read_error);
  if (!error) return std::unexpected(error.error());
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::array<char*, 2> environment = {const_cast<char*>(kPath), nullptr};
  std::array<uv_stdio_container_t, 3> stdio{};
  stdio[0].flags = UV_IGNORE;
  stdio[1].flags = stdio[2].flags = UV_INHERIT_FD;
  stdio[1].data.fd = output->get();
  stdio[2].data.fd = error->get();
  uv_process_options_t options{};
  options.exit_cb = [](uv_process_t* handle, int64_t status, int signal) {
    static_cast<Process*>(handle->data)->owner->ended(status, signal);
  };
  options.file = words[0];
  options.args = words.data();
  options.env = environment.data();
  options.cwd = "/";
  options.flags = UV_PROCESS_DETACHED;  // a session, and so a group, of its own
  options.stdio_count = static_cast<int>(stdio.size());
  options.stdio = stdio.data();
  process_ = new Process{.handle = {}, .owner = this};
  process_->handle.data = process_;
  keep_descriptors();
  if (const int status = uv_spawn(loop_, &process_->handle, &options); status != 0) {
    close();
    return fail(fmt::format("cannot run {}: {}", argv[0], uv_strerror(status)));
  }
  make_first_victim(process_->handle.pid);
  return {};
}

void ChildProgram::read_output() {
  const bool more = read_some(output_.fd.get(), [this](std::string_view part) {
    append(end_.output, part, kMostBytes + 1);
  });
  if (end_.output.size() > kMostBytes && !end_.too_much) {
    end_.too_much = true;
    kill();
  }
  if (!more || end_.too_much) output_.poll.reset();
}

void ChildProgram::read_error() {
  const bool more = read_some(error_.fd.get(), [this](std::string_view part) {
    append(end_.error, part, kMostErrorBytes);
  });
  if (!more) error_.poll.reset();
}

/// The whole group: also those that it started and left behind.
void ChildProgram::kill() const {
  if (process_ != nullptr && process_->handle.pid > 0) ::kill(-process_->handle.pid, SIGKILL);
}

void ChildProgram::give_up() {
  on_end_ = nullptr;
  limit_.stop();
  kill();
}

void ChildProgram::ended(int64_t status, int signal) {
  limit_.stop();
  kill();
  read_output();
  read_error();
  output_.poll.reset();
  error_.poll.reset();
  close();
  end_.status = status;
  end_.signal = signal;
  if (auto tell = std::exchange(on_end_, nullptr)) tell(end_);
}

void ChildProgram::close() {
  if (process_ == nullptr) return;
  auto* process = std::exchange(process_, nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&process->handle),
           [](uv_handle_t* handle) { delete static_cast<Process*>(handle->data); });
}

}  // namespace serin::agent
