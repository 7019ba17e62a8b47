#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"

namespace shop {

struct Finished {
  std::string remote;
  std::string request;  ///< "GET /customer/7 HTTP/1.1"
  unsigned status = 0;
  uint64_t body_bytes = 0;
  double seconds = 0;
};

/// One line per finished request, as nginx would write it with
/// `$remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time` (time with
/// µs). Each line is one write() in append mode: whole for any reader, and from any thread.
class AccessLog {
 public:
  static serin::Result<AccessLog> open(const std::filesystem::path& file);
  AccessLog(AccessLog&& other) noexcept;
  AccessLog& operator=(AccessLog&&) = delete;
  ~AccessLog();
  void write(const Finished& request, int64_t now_seconds) const;

 private:
  explicit AccessLog(int fd) : fd_(fd) {}
  int fd_;
};

/// The line itself, with its newline. Bytes that would break it out of its quotes are written as
/// \xHH.
std::string access_line(const Finished& request, int64_t now_seconds);

}  // namespace shop
