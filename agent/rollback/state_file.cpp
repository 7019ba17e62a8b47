#include "agent/rollback/state_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/file.h"

namespace serin::helper {
namespace {

constexpr size_t kMostBytes = size_t{64} * 1024;

std::unexpected<Error> failed(std::string_view what, const std::filesystem::path& file) {
  return fail(fmt::format("cannot {} {}: {}", what, file.native(), errno_text(errno)));
}

}  // namespace

Result<void> write_state_file(const std::filesystem::path& folder, const std::string& service,
                              const std::string& text) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed("make", folder);
  const auto temporary = folder / ("." + service);  // no service's name begins with a dot
  ::unlink(temporary.c_str());
  const UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return failed("create", temporary);
  auto done = write_all(fd.get(), text, temporary.native());
  if (done && ::fsync(fd.get()) != 0) done = failed("fsync", temporary);
  if (done && ::rename(temporary.c_str(), (folder / service).c_str()) != 0)
    done = failed("put in place", folder / service);
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  return sync_folder(folder);
}

std::string read_state_file(const std::filesystem::path& folder, const std::string& service) {
  return read_file(folder / service, kMostBytes).value_or("");
}

}  // namespace serin::helper
