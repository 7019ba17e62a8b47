#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "common/file.h"

namespace serin::agent {

/// A server of one page that answers each connection with what `answer` gives, whatever is asked.
class PageServer {
 public:
  enum class After { close, hang, drip };
  struct Answer {
    std::string bytes;
    After after = After::close;
  };
  explicit PageServer(std::function<Answer()> answer)
      : answer_(std::move(answer)), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    ::listen(fd_.get(), 16);
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~PageServer() {
    stop_ = true;
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] int served() const { return served_; }

 private:
  void serve() {
    while (!stop_) {
      UniqueFd client(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) break;
      char asked[4096];
      if (::recv(client.get(), asked, sizeof(asked), 0) <= 0) continue;
      ++served_;
      Answer answer = answer_();
      ::send(client.get(), answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL);
      // Until the client gives up: a byte every now and then, or nothing.
      while (answer.after == After::drip && ::send(client.get(), "x", 1, MSG_NOSIGNAL) == 1)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (answer.after == After::hang)
        while (::recv(client.get(), asked, sizeof(asked), 0) > 0) {
        }
    }
  }

  std::function<Answer()> answer_;
  UniqueFd fd_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> served_ = 0;
  std::thread thread_;
};

}  // namespace serin::agent
