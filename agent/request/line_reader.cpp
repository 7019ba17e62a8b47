#include "agent/request/line_reader.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace serin::agent {
namespace {

std::string_view kind_of(uint32_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

Result<LineReader> LineReader::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO that nobody writes must not stop the loop.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd) return fail(fmt::format("{}: {}", path.string(), errno_text(errno)));
  struct statx info{};
  if (::statx(fd.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &info) != 0)
    return fail(fmt::format("{}: {}", path.string(), errno_text(errno)));
  if (!S_ISREG(info.stx_mode))
    return fail(fmt::format("{}: is {}, an access log must be a regular file", path.string(),
                            kind_of(info.stx_mode)));
  LineReader reader(std::move(fd));
  struct stat identity{};
  if (::fstat(reader.fd_.get(), &identity) != 0)
    return fail(fmt::format("{}: {}", path.string(), errno_text(errno)));
  reader.device_ = identity.st_dev;
  reader.inode_ = identity.st_ino;
  if ((info.stx_mask & STATX_BTIME) != 0)
    reader.born_ns_ = info.stx_btime.tv_sec * 1'000'000'000 + info.stx_btime.tv_nsec;
  return reader;
}

uint64_t LineReader::size() const {
  struct stat info{};
  return ::fstat(fd_.get(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

void LineReader::seek(uint64_t offset) {
  offset_ = offset;
  last_size_ = offset;
  kept_ = 0;
  char before = '\n';
  if (offset > 0 && ::pread(fd_.get(), &before, 1, static_cast<off_t>(offset - 1)) != 1)
    before = '\n';
  discarding_ = before != '\n';
}

void LineReader::restart() {
  fingerprint_.clear();
  kept_ = 0;
  discarding_ = false;
  offset_ = last_size_ = 0;
  // A writer without O_APPEND goes on at its old offset after a truncation and leaves a hole of
  // zeros before it.
  off_t data = ::lseek(fd_.get(), 0, SEEK_DATA);
  if (data > 0) offset_ = static_cast<uint64_t>(data);
}

size_t LineReader::fill() {
  if (buffer_.size() < kept_ + kBlockBytes) buffer_.resize(kept_ + kBlockBytes);
  ssize_t got =
      ::pread(fd_.get(), buffer_.data() + kept_, kBlockBytes, static_cast<off_t>(offset_));
  if (got <= 0) return 0;
  offset_ += static_cast<uint64_t>(got);
  return static_cast<size_t>(got);
}

void LineReader::keep(size_t begin, size_t end, LineCounts& counts) {
  kept_ = end - begin;
  if (discarding_) {
    kept_ = 0;
  } else if (kept_ > kMaxLineBytes) {
    ++counts.oversized;
    discarding_ = true;
    kept_ = 0;
  } else if (begin > 0 && kept_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin, kept_);
  }
}

const std::string& LineReader::fingerprint() {
  if (fingerprint_.size() < kFingerprintBytes) {
    fingerprint_.resize(kFingerprintBytes);
    ssize_t got = ::pread(fd_.get(), fingerprint_.data(), kFingerprintBytes, 0);
    fingerprint_.resize(got > 0 ? static_cast<size_t>(got) : 0);
  }
  return fingerprint_;
}

bool LineReader::was_truncated() {
  uint64_t now = size();
  if (now < offset_) return true;
  if (now == last_size_) return false;
  last_size_ = now;
  // Grown. The same beginning as before? A file cut and filled beyond our offset between two looks
  // has another.
  std::string known = fingerprint_;
  if (known.empty()) {
    fingerprint();
    return false;
  }
  fingerprint_.clear();
  return !fingerprint().starts_with(known);
}

}  // namespace serin::agent
