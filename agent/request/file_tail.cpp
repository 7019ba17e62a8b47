#include "agent/request/file_tail.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace serin::agent {
namespace {

constexpr size_t kMaxSiblings = 200;  // rotated files looked at, once a rotation
constexpr std::array<std::string_view, 5> kCompressed = {".gz", ".xz", ".zst", ".bz2", ".lz4"};

bool is_compressed(std::string_view name) {
  return std::ranges::any_of(kCompressed,
                             [&](std::string_view end) { return name.ends_with(end); });
}

bool is_same(const LineReader& a, const LineReader& b) {
  return a.device() == b.device() && a.inode() == b.inode();
}

}  // namespace

bool FileTail::open_first() {
  bool first_look = !std::exchange(looked_, true);
  auto opened = LineReader::open(path_);
  problem_ = opened ? std::string{} : opened.error().message;
  // Right after a rotation the path may name nothing yet.
  if (!opened) return first_look && resume_ && resume_renamed();
  if (first_look && resume_ && resume(*opened)) return true;
  // A position in a file that is gone: what stands at the path now was never read.
  if (first_look) place(*opened, resume_ ? 0 : opened->size());
  opened->fingerprint();
  reader_ = std::move(*opened);
  return true;
}

bool FileTail::resume(LineReader& at_path) {
  if (is_resumed(at_path)) {
    place(at_path, resume_->offset);
  } else if (at_path.device() == resume_->device && at_path.inode() == resume_->inode) {
    place(at_path, 0);  // the same file, cut meanwhile: all of it is new
    at_path.fingerprint();
  } else {
    return resume_renamed();
  }
  reader_ = std::move(at_path);
  return true;
}

/// next_file() then finds the way to the path's file.
bool FileTail::resume_renamed() {
  for (auto& sibling : siblings()) {
    if (!is_resumed(sibling)) continue;
    place(sibling, resume_->offset);
    reader_ = std::move(sibling);
    return true;
  }
  return false;
}

bool FileTail::is_resumed(LineReader& reader) const {
  return reader.device() == resume_->device && reader.inode() == resume_->inode &&
         reader.size() >= resume_->offset && reader.fingerprint().starts_with(resume_->fingerprint);
}

void FileTail::place(LineReader& reader, uint64_t offset) {
  uint64_t size = reader.size();
  if (size > offset && size - offset > kMaxBacklogBytes) {
    counts_.skipped_bytes += size - kMaxBacklogBytes - offset;
    offset = size - kMaxBacklogBytes;
  }
  reader.seek(offset);
}

void FileTail::restart_if_truncated() {
  if (!reader_->was_truncated()) return;
  ++counts_.truncations;
  reader_->restart();
  reader_->fingerprint();
}

bool FileTail::next_file() {
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) {
    problem_ = fmt::format("{}: {}; still reading the file that had this name", path_.string(),
                           errno_text(errno));
    return false;
  }
  if (info.st_dev == reader_->device() && info.st_ino == reader_->inode()) {
    problem_.clear();
    return false;
  }
  auto next = LineReader::open(path_);
  problem_ = next ? std::string{} : next.error().message;
  if (!next) return false;
  auto between = oldest_between(*reader_, *next);
  ++counts_.rotations;
  if (old_.size() == kMaxOldFiles) old_.erase(old_.begin());
  old_.push_back({.reader = std::move(*reader_)});
  reader_ = between ? std::move(*between) : std::move(*next);
  reader_->fingerprint();
  return true;
}

std::vector<LineReader> FileTail::siblings() const {
  std::vector<LineReader> found;
  std::string prefix = path_.filename().string();
  std::error_code error;
  for (std::filesystem::directory_iterator it(path_.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name == prefix || !name.starts_with(prefix) || is_compressed(name)) continue;
    if (auto reader = LineReader::open(it->path())) found.push_back(std::move(*reader));
    if (found.size() == kMaxSiblings) break;
  }
  return found;
}

// A copy that somebody made of the current file begins with the same bytes and is no rotation.
std::optional<LineReader> FileTail::oldest_between(LineReader& current,
                                                   const LineReader& next) const {
  if (current.born_ns() == 0 || next.born_ns() == 0) return std::nullopt;
  std::optional<LineReader> oldest;
  for (auto& sibling : siblings()) {
    bool between = sibling.born_ns() > current.born_ns() && sibling.born_ns() <= next.born_ns();
    if (!between || is_same(sibling, current) || is_same(sibling, next)) continue;
    if (!current.fingerprint().empty() && sibling.fingerprint() == current.fingerprint()) continue;
    if (!oldest || sibling.born_ns() < oldest->born_ns()) oldest = std::move(sibling);
  }
  return oldest;
}

void FileTail::age_old_files(size_t bytes_read) {
  if (bytes_read > 0) return;  // still being written, or not read to the end yet
  for (auto& old : old_) --old.polls_left;
  std::erase_if(old_, [](const Old& old) { return old.polls_left <= 0; });
}

std::optional<TailPosition> FileTail::position() {
  if (!reader_) return std::nullopt;
  return TailPosition{.device = reader_->device(),
                      .inode = reader_->inode(),
                      .offset = reader_->line_offset(),
                      .fingerprint = reader_->fingerprint()};
}

}  // namespace serin::agent
