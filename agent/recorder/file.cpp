#include "agent/recorder/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace serin::agent {
namespace {

/// Whole cells; two of these are what most files have.
constexpr size_t kPieceCells = 2048;

Result<std::vector<std::byte>> first_bytes(int fd, const std::string& name) {
  std::vector<std::byte> bytes(SERIN_RECORDER_HEADER_BYTES);
  ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
  if (got < 0) return fail(fmt::format("{}: {}", name, errno_text(errno)));
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

}  // namespace

Result<std::optional<RecorderFile>> RecorderFile::open(int folder, const std::string& name) {
  UniqueFd fd(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail(fmt::format("{}: {}", name, errno_text(errno)));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail(fmt::format("{}: {}", name, errno_text(errno)));
  if (!S_ISREG(status.st_mode)) return fail(name + ": is no regular file");
  if (status.st_nlink > 1) return fail(name + ": has a second name, as only a trick would give it");
  auto bytes = first_bytes(fd.get(), name);
  if (!bytes) return std::unexpected(bytes.error());
  auto head = parse_recorder_head(*bytes);
  if (!head) return fail(fmt::format("{}: {}", name, head.error().message));
  if (!*head) return std::nullopt;
  RecorderFile file(std::move(fd), name, std::move(**head));
  file.owner_ = status.st_uid;
  file.identity_ = {.device = status.st_dev, .inode = status.st_ino};
  return file;
}

Result<void> RecorderFile::read(std::vector<uint64_t>& sums) const {
  sums.assign(head_.used_cells(), 0);
  std::array<uint64_t, kPieceCells> piece;
  size_t cells = head_.shards * head_.shard_cells;
  for (size_t at = 0; at < cells;) {
    size_t wanted = std::min(piece.size(), cells - at) * sizeof(uint64_t);
    ssize_t got = ::pread(fd_.get(), piece.data(), wanted,
                          static_cast<off_t>(SERIN_RECORDER_HEADER_BYTES + at * sizeof(uint64_t)));
    if (got < 0) return fail(fmt::format("{}: {}", name_, errno_text(errno)));
    if (static_cast<size_t>(got) < wanted)
      return fail(fmt::format("{}: it was cut short, to less than its {} bytes", name_,
                              head_.file_bytes()));
    for (size_t i = 0; i < wanted / sizeof(uint64_t);) {
      size_t place = (at + i) % head_.shard_cells;
      size_t run = std::min(wanted / sizeof(uint64_t) - i, head_.shard_cells - place);
      size_t used = place < sums.size() ? std::min(run, sums.size() - place) : 0;
      for (size_t k = 0; k < used; ++k) sums[place + k] += piece[i + k];
      i += run;
    }
    at += wanted / sizeof(uint64_t);
  }
  return {};
}

int32_t RecorderFile::locked_by(int fd) {
  struct flock lock{};
  lock.l_type = F_RDLCK;  // only a writer's lock stands in its way, and only who may write has one
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
  return lock.l_pid;
}

}  // namespace serin::agent
