#include "demo/shop/access_log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace shop {
namespace {

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '"' || c == '\\') {
      out += fmt::format("\\x{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string access_line(const Finished& request, int64_t now_seconds) {
  const time_t now = now_seconds;
  tm utc{};
  gmtime_r(&now, &utc);
  char stamp[40];
  std::strftime(stamp, sizeof stamp, "%d/%b/%Y:%H:%M:%S +0000", &utc);
  return fmt::format("{} - - [{}] \"{}\" {} {} {:.6f}\n", request.remote, stamp,
                     printable(request.request), request.status, request.body_bytes,
                     request.seconds);
}

serin::Result<AccessLog> AccessLog::open(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0)
    return serin::fail(fmt::format("cannot open {}: {}", file.string(), std::strerror(errno)));
  return AccessLog(fd);
}

AccessLog::AccessLog(AccessLog&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

AccessLog::~AccessLog() {
  if (fd_ >= 0) ::close(fd_);
}

void AccessLog::write(const Finished& request, int64_t now_seconds) const {
  const std::string line = access_line(request, now_seconds);
  // A full disk loses the line, as it does with any web server: the request itself was answered.
  [[maybe_unused]] const auto written = ::write(fd_, line.data(), line.size());
}

}  // namespace shop
