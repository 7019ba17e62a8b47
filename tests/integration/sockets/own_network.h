#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/error.h"
#include "common/file.h"

namespace serin::agent {

/// Takes this process for good into a network of its own, where there is the loopback, and nobody
/// answers in 192.0.2.0/24. Needs root.
Result<void> enter_own_network();

/// A control group of version 2 that is removed at the end, the process back where it was.
class OwnGroup {
 public:
  /// Fails where there is none to be had.
  static Result<OwnGroup> make();
  OwnGroup(OwnGroup&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
  OwnGroup& operator=(OwnGroup&&) = delete;
  ~OwnGroup();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// Sockets that this process makes from now on belong to the group, to one below it, to none.
  void enter() const;
  void enter_below(const std::string& name) const;
  void leave() const;

 private:
  explicit OwnGroup(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

struct Listener {
  UniqueFd fd;
  sockaddr_in6 address{};
  [[nodiscard]] uint16_t port() const { return ntohs(address.sin6_port); }
  [[nodiscard]] UniqueFd accept() const;
};

/// On ::1, or on 127.0.0.1 as an address of version 6 that stands for one of version 4.
Listener listen_on(const char* address, int backlog);
/// Without waiting for the answer.
UniqueFd begin_connect(const char* address, uint16_t port);
/// Waits until it is established.
UniqueFd connect_to(const Listener& listener);

}  // namespace serin::agent
