#include "common/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <iterator>
#include <system_error>

namespace serin {
namespace {

std::unexpected<Error> failed(std::string_view what, std::string_view name, int error) {
  return fail(fmt::format("cannot {} {}: {}", what, name, errno_text(error)));
}

/// Removes the half-written file unless it was put in place.
class Unfinished {
 public:
  explicit Unfinished(std::filesystem::path path) : path_(std::move(path)) {}
  ~Unfinished() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  void finished() { path_.clear(); }

 private:
  std::filesystem::path path_;
};

std::filesystem::path folder_of(const std::filesystem::path& file) {
  const auto folder = file.parent_path();
  return folder.empty() ? "." : folder;
}

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

Result<std::string> read_all(int fd, size_t most_bytes, std::string_view name) {
  std::string data;
  std::array<char, 16384> part;
  for (;;) {
    const ssize_t got = ::read(fd, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", name, errno);
    if (got == 0) return data;
    if (data.size() + static_cast<size_t>(got) > most_bytes) {
      return fail(fmt::format("{} is longer than the {} bytes allowed", name, most_bytes));
    }
    data.append(part.data(), static_cast<size_t>(got));
  }
}

Result<std::string> read_file(const std::filesystem::path& file, size_t most_bytes) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return failed("open", file.native(), errno);
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return failed("look at", file.native(), errno);
  if (!S_ISREG(facts.st_mode)) return fail(fmt::format("{} is not a regular file", file.native()));
  return read_all(fd.get(), most_bytes, file.native());
}

Result<void> write_all(int fd, std::string_view data, std::string_view name) {
  while (!data.empty()) {
    const ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failed("write", name, errno);
    data.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failed("open", folder.native(), errno);
  if (::fsync(fd.get()) != 0) return failed("fsync", folder.native(), errno);
  return {};
}

Result<void> write_file_atomically(const std::filesystem::path& file, std::string_view data,
                                   mode_t mode, Durability durability) {
  const bool sync = durability == Durability::power_cut;
  static std::atomic<unsigned> counter{0};
  const auto name = fmt::format(".{}.{}-{}", file.filename().native(), ::getpid(), counter++);
  const auto temporary = folder_of(file) / name;
  // Left over from a crashed process that had our pid.
  ::unlink(temporary.c_str());
  UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return failed("create", temporary.native(), errno);
  Unfinished unfinished(temporary);
  if (auto written = write_all(fd.get(), data, temporary.native()); !written) return written;
  if (::fchmod(fd.get(), mode) != 0) return failed("set the mode of", temporary.native(), errno);
  if (sync && ::fsync(fd.get()) != 0) return failed("fsync", temporary.native(), errno);
  if (::close(fd.release()) != 0) return failed("close", temporary.native(), errno);
  if (::rename(temporary.c_str(), file.c_str()) != 0) {
    return failed("put in place", file.native(), errno);
  }
  unfinished.finished();
  return sync ? sync_folder(folder_of(file)) : Result<void>();
}

Result<void> make_folders(const std::filesystem::path& folder, mode_t mode) {
  constexpr mode_t kAbove = 0755;
  const auto whole = folder.has_filename() ? folder : folder.parent_path();
  std::filesystem::path made;
  for (auto part = whole.begin(); part != whole.end(); ++part) {
    made /= *part;
    const mode_t own = std::next(part) == whole.end() ? mode : kAbove;
    if (::mkdir(made.c_str(), own) != 0) {
      if (errno == EEXIST) continue;
      return failed("make the folder", made.native(), errno);
    }
    if (::chmod(made.c_str(), own) != 0) return failed("set the mode of", made.native(), errno);
  }
  struct stat facts{};
  if (!whole.empty() && ::stat(whole.c_str(), &facts) != 0)
    return failed("look at", whole.native(), errno);
  if (!whole.empty() && !S_ISDIR(facts.st_mode))
    return fail(fmt::format("{} is not a folder", whole.native()));
  return {};
}

}  // namespace serin
