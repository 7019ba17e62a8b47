#include "common/service_manager.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/file.h"

namespace serin {
namespace {

constexpr off_t kNothingBytes = 1;  // "\n", the units' default for a credential

std::string_view environment(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? text : "";
}

template <typename Number>
std::optional<Number> environment_number(const char* name) {
  const std::string_view text = environment(name);
  Number value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (text.empty() || fault != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string id_of(const std::filesystem::path& file) {
  std::string id = file.lexically_normal().native();
  id.erase(0, id.find_first_not_of('/'));
  std::ranges::replace(id, '/', '-');
  return id;
}

bool holds_something(const std::filesystem::path& file) {
  struct stat facts{};
  return ::stat(file.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) &&
         facts.st_size > kNothingBytes;
}

}  // namespace

void notify_manager(std::string_view state) {
  const std::string_view path = environment("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || (path[0] != '/' && path[0] != '@')) return;
  if (path.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';  // a name that lies in no folder
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  // A manager that does not listen is no reason to fail, nor to wait.
  static_cast<void>(!::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), size));
}

std::optional<std::chrono::microseconds> watchdog_time() {
  const auto pid = environment_number<pid_t>("WATCHDOG_PID");
  if (pid && *pid != ::getpid()) return std::nullopt;
  const auto time = environment_number<int64_t>("WATCHDOG_USEC");
  if (!time || *time <= 0) return std::nullopt;
  return std::chrono::microseconds(*time);
}

std::filesystem::path credential_path(const std::filesystem::path& file) {
  const std::filesystem::path folder(environment("CREDENTIALS_DIRECTORY"));
  if (folder.empty() || !file.is_absolute()) return file;
  const auto whole = folder / id_of(file);
  if (holds_something(whole)) return whole;
  const auto of_folder = folder / (id_of(file.parent_path()) + "_" + file.filename().native());
  return holds_something(of_folder) ? of_folder : file;
}

}  // namespace serin
