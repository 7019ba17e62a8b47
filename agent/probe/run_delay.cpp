#include "agent/probe/run_delay.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>

#include "agent/probe/proc_parse.h"

namespace serin::agent {

namespace fs = std::filesystem;

namespace {

std::string too_many() {
  return fmt::format("more than {} threads, and the kernel tells it of each alone",
                     RunDelay::kMostThreads);
}

}  // namespace

std::optional<uint64_t> RunDelay::read(std::span<const int32_t> pids, uint64_t threads) {
  if (threads > kMostThreads || pids.size() > kMostThreads) return give_up(too_many());
  const bool all_live = advance();
  if ((!all_live || threads_.size() != threads || !knows_all_) && !list(pids)) return std::nullopt;
  if (std::ranges::none_of(threads_, [](const auto& entry) { return entry.second.has_run; }))
    return give_up("no thread tells it: hidden (hidepid), or not counted (CONFIG_SCHED_INFO)");
  problem_.clear();
  return sum_ns_;
}

/// Forgets the threads that have ended; false when there were such.
bool RunDelay::advance() {
  bool all_live = true;
  for (auto it = threads_.begin(); it != threads_.end();) {
    const bool lives = advance(it->second);
    all_live = all_live && lives;
    it = lives ? std::next(it) : threads_.erase(it);
  }
  return all_live;
}

bool RunDelay::advance(Thread& thread) {
  std::array<char, 128> buffer;
  const ssize_t got = ::pread(thread.schedstat.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  const auto stat = parse_schedstat({buffer.data(), static_cast<size_t>(got)});
  if (!stat) return false;
  if (stat->wait_ns > thread.wait_ns) sum_ns_ += stat->wait_ns - thread.wait_ns;
  thread.wait_ns = stat->wait_ns;
  thread.has_run = stat->runs > 0;
  return true;
}

bool RunDelay::list(std::span<const int32_t> pids) {
  const Count count = knows_all_ ? Count::all : Count::since_now;
  for (int32_t pid : pids)
    if (!list_process(pid, count)) return false;
  knows_all_ = true;
  return true;
}

/// False: there is no going on. A process that has ended, or is hidden, has no threads.
bool RunDelay::list_process(int32_t pid, Count count) {
  std::error_code error;
  const fs::path tasks = proc_ / std::to_string(pid) / "task";
  for (fs::directory_iterator it(tasks, error), end; !error && it != end; it.increment(error)) {
    const auto id = parse_number(it->path().filename().native());
    if (!id || threads_.contains(static_cast<int32_t>(*id))) continue;
    if (threads_.size() == kMostThreads) {
      give_up(too_many());
      return false;
    }
    if (!add(static_cast<int32_t>(*id), it->path(), count)) return false;
  }
  return true;
}

bool RunDelay::add(int32_t id, const fs::path& folder, Count count) {
  Thread thread;
  thread.schedstat.reset(::open((folder / "schedstat").c_str(), O_RDONLY | O_CLOEXEC));
  if (!thread.schedstat && (errno == EMFILE || errno == ENFILE)) {
    give_up(fmt::format("the agent may open no more files: {}", errno_text(errno)));
    return false;
  }
  const uint64_t before_ns = sum_ns_;
  if (!thread.schedstat || !advance(thread)) return true;  // it has ended already
  if (count == Count::since_now) sum_ns_ = before_ns;
  threads_.emplace(id, std::move(thread));
  return true;
}

std::optional<uint64_t> RunDelay::give_up(std::string problem) {
  threads_.clear();
  knows_all_ = false;
  problem_ = std::move(problem);
  return std::nullopt;
}

}  // namespace serin::agent
