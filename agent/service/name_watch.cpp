#include "agent/service/name_watch.h"

#include <fmt/core.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace serin::agent {
namespace {

constexpr uint32_t kEvents = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr size_t kBufferBytes = 16384;
constexpr int kMaxReads =
    16;  // a folder that is written without end must not hold the loop; level-triggered anyway

}  // namespace

Result<std::unique_ptr<NameWatch>> NameWatch::make(uv_loop_t* loop) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd)
    return fail(fmt::format("inotify: {}; changes are seen once a second only", errno_text(errno)));
  std::unique_ptr<NameWatch> watch(new NameWatch(std::move(fd)));
  auto poll =
      UvPoll::make(loop, watch->fd_.get(), [raw = watch.get()](int, int) { raw->read_events(); });
  if (!poll) return std::unexpected(poll.error());
  poll->start(UV_READABLE);
  watch->poll_ = std::move(*poll);
  return watch;
}

void NameWatch::add(const std::filesystem::path& file, Changed changed) {
  names_.push_back({.folder = file.parent_path(),
                    .name = file.filename().string(),
                    .changed = std::move(changed)});
  some_absent_ = true;
  retry_absent();
}

void NameWatch::retry_absent() {
  if (!some_absent_) return;
  some_absent_ = false;
  for (auto& name : names_) {
    if (name.watch >= 0) continue;
    name.watch = ::inotify_add_watch(fd_.get(), name.folder.c_str(), kEvents);
    some_absent_ = some_absent_ || name.watch < 0;
  }
}

void NameWatch::lost(int watch) {
  for (auto& name : names_)
    if (name.watch == watch) name.watch = -1;
  some_absent_ = true;
}

void NameWatch::read_events() {
  alignas(inotify_event) std::array<char, kBufferBytes> buffer;
  std::vector<size_t> touched;
  bool overflow = false;
  for (int reads = 0; reads < kMaxReads; ++reads) {
    ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    for (size_t at = 0; at + sizeof(inotify_event) <= static_cast<size_t>(got);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      std::string_view name(buffer.data() + at + sizeof event,
                            ::strnlen(buffer.data() + at + sizeof event, event.len));
      at += sizeof event + event.len;
      overflow = overflow || (event.mask & IN_Q_OVERFLOW) != 0;
      if ((event.mask & IN_MOVE_SELF) != 0) ::inotify_rm_watch(fd_.get(), event.wd);
      if ((event.mask & (IN_IGNORED | IN_MOVE_SELF)) != 0) lost(event.wd);
      for (size_t i = 0; i < names_.size(); ++i)
        if (names_[i].watch == event.wd && names_[i].name == name) touched.push_back(i);
    }
  }
  // The callbacks last, and each once: a burst of events on one name means one look.
  for (size_t i = 0; i < names_.size(); ++i)
    if (overflow || std::ranges::find(touched, i) != touched.end()) names_[i].changed();
}

}  // namespace serin::agent
