#pragma once

#include <uv.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "common/loop.h"

namespace serin::agent {

/// A unix stream socket on which whoever is of the agent's group may listen to what it sends, one
/// capture line a message. On the loop's thread and never blocking. Nobody can say anything on it:
/// what a listener sends ends the connection. Bounded: four listeners, 256 KiB unsent for each; one
/// that reads slower is hung up on.
class LiveSocket {
 public:
  static constexpr size_t kMostListeners = 4;
  static constexpr size_t kMostUnsentBytes = size_t{256} * 1024;

  /// The folder must be there. A socket that an agent before us left is replaced; another kind of
  /// file is not.
  static Result<std::unique_ptr<LiveSocket>> make(uv_loop_t* loop, std::filesystem::path path);
  ~LiveSocket();
  LiveSocket(const LiveSocket&) = delete;
  LiveSocket& operator=(const LiveSocket&) = delete;

  /// False: nothing need be formatted.
  [[nodiscard]] bool has_listeners() const { return !listeners_.empty(); }
  /// `line` without its newline.
  void tell(std::string_view line);

 private:
  struct Listener {
    UniqueFd fd;  // closed after the handle that watches it
    std::unique_ptr<UvPoll> poll;
    std::string unsent;
    bool lost = false;
  };

  LiveSocket(uv_loop_t* loop, std::filesystem::path path, UniqueFd fd);
  Result<void> watch();
  void welcome();
  void ready(Listener& listener, int status, int events);
  static void send_on(Listener& listener);
  void sweep();

  uv_loop_t* loop_;
  std::filesystem::path path_;
  UniqueFd fd_;
  std::unique_ptr<UvPoll> poll_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace serin::agent
