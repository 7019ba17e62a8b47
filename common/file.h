#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.h"

namespace serin {

/// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// The words for an errno, as in strerror but safe in threads.
std::string errno_text(int error);

/// The whole of a regular file (procfs counts as one). More than `most_bytes` is an error, not a
/// cut. Never blocks on a pipe or a device: those are refused.
Result<std::string> read_file(const std::filesystem::path& file, size_t most_bytes);
/// The same from an open descriptor, from where it stands; `name` is for the errors.
Result<std::string> read_all(int fd, size_t most_bytes, std::string_view name);
/// Writes all of it, however often the kernel takes only a part.
Result<void> write_all(int fd, std::string_view data, std::string_view name);

enum class Durability {
  power_cut,  ///< two fsyncs, which may take a slow disk seconds
  crash,      ///< none: a power cut may leave the old data, or nothing
};
/// After success the file holds `data` and will after a power cut; after an error, or a crash at
/// any moment, what it held before (a stray `.NAME.<pid>-<n>` may be left behind by a crash).
/// `mode` is set whatever the umask.
Result<void> write_file_atomically(const std::filesystem::path& file, std::string_view data,
                                   mode_t mode = 0644,
                                   Durability durability = Durability::power_cut);
/// Makes the folder with `mode` and those missing above it with 0755, whatever the umask. What is
/// there stays as it is.
Result<void> make_folders(const std::filesystem::path& folder, mode_t mode);
/// Makes a rename, a new name or a removal in this folder last through a power cut.
Result<void> sync_folder(const std::filesystem::path& folder);

}  // namespace serin
