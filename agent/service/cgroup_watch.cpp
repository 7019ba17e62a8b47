#include "agent/service/cgroup_watch.h"

#include <fmt/core.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "agent/probe/cgroup_probe.h"

namespace serin::agent {
namespace {

constexpr size_t kMaxEventsBytes = 4096;

}  // namespace

Result<std::unique_ptr<CgroupWatch>> CgroupWatch::make(uv_loop_t* loop, Handlers handlers) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd)
    return fail(
        fmt::format("inotify: {}; processes killed for memory are seen only where systemd "
                    "tells of them",
                    errno_text(errno)));
  std::unique_ptr<CgroupWatch> watch(new CgroupWatch(std::move(fd), std::move(handlers)));
  auto poll =
      UvPoll::make(loop, watch->fd_.get(), [raw = watch.get()](int, int) { raw->read_events(); });
  if (!poll) return std::unexpected(poll.error());
  poll->start(UV_READABLE);
  watch->poll_ = std::move(*poll);
  return watch;
}

void CgroupWatch::follow(const std::filesystem::path& folder) {
  for (int* watch : {&events_, &memory_})
    if (*watch >= 0) ::inotify_rm_watch(fd_.get(), std::exchange(*watch, -1));
  folder_ = folder;
  if (folder_.empty()) return;
  events_ = ::inotify_add_watch(fd_.get(), (folder_ / "cgroup.events").c_str(), IN_MODIFY);
  memory_ = ::inotify_add_watch(fd_.get(), (folder_ / "memory.events").c_str(), IN_MODIFY);
  kills_ = kills().value_or(0);
}

std::optional<uint64_t> CgroupWatch::kills() const {
  auto text = read_file(folder_ / "memory.events", kMaxEventsBytes);
  return text ? parse_flat_keyed(*text, "oom_kill") : std::nullopt;
}

void CgroupWatch::read_events() {
  // What happened is read from the files; the events only say that something did.
  alignas(inotify_event) std::array<char, 4096> buffer;
  while (::read(fd_.get(), buffer.data(), buffer.size()) > 0) {
  }
  if (folder_.empty()) return;
  uint64_t now = kills().value_or(kills_);
  uint64_t before = std::exchange(kills_, now);
  auto text = read_file(folder_ / "cgroup.events", kMaxEventsBytes);
  bool empty = text && parse_flat_keyed(*text, "populated") == 0U;
  if (now > before) handlers_.killed_for_memory(now - before);
  if (empty) handlers_.emptied();
}

}  // namespace serin::agent
