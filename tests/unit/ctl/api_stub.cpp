#include "tests/unit/ctl/api_stub.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "common/error.h"

namespace serin::ctl {
namespace {

constexpr int kPollMs = 20;

size_t body_length(const std::string& head) {
  const size_t at = head.find("Content-Length: ");
  return at == head.npos ? 0 : std::stoul(head.substr(at + 16));
}

}  // namespace

ApiStub::ApiStub() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  SERIN_VERIFY(::bind(listener_, raw, size) == 0 && ::listen(listener_, 8) == 0);
  SERIN_VERIFY(::getsockname(listener_, raw, &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

ApiStub::~ApiStub() {
  ends_ = true;
  thread_.join();
  ::close(listener_);
}

void ApiStub::answer(const std::string& target, std::vector<Reply> replies) {
  const std::lock_guard lock(mutex_);
  replies_[target] = std::move(replies);
}

std::vector<ApiStub::Asked> ApiStub::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

std::string ApiStub::url() const {
  return fmt::format("http://127.0.0.1:{}", port_);
}

void ApiStub::serve() {
  while (!ends_) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kPollMs) <= 0) continue;
    const int connection = ::accept(listener_, nullptr, nullptr);
    if (connection < 0) continue;
    speak(connection);
    ::close(connection);
  }
}

/// One request and its answer.
void ApiStub::speak(int connection) {
  std::string text;
  size_t head_end = text.npos;
  std::array<char, 4096> part;
  while (head_end == text.npos || text.size() < head_end + 4 + body_length(text)) {
    const ssize_t got = ::recv(connection, part.data(), part.size(), 0);
    if (got <= 0) return;
    text.append(part.data(), static_cast<size_t>(got));
    head_end = text.find("\r\n\r\n");
  }
  Asked asked;
  const size_t first = text.find(' '), second = text.find(' ', first + 1);
  asked.method = text.substr(0, first);
  asked.target = text.substr(first + 1, second - first - 1);
  asked.head = text.substr(0, head_end + 2);
  asked.body = text.substr(head_end + 4);
  const Reply reply = reply_to(asked);
  if (reply.status == 0) return;  // hangs up without a word
  const std::string out =
      fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                  reply.status, reply.body.size(), reply.body);
  ::send(connection, out.data(), out.size(), MSG_NOSIGNAL);
}

ApiStub::Reply ApiStub::reply_to(const Asked& asked) {
  const std::lock_guard lock(mutex_);
  asked_.push_back(asked);
  const auto found = replies_.find(asked.target);
  if (found == replies_.end()) return {404, "no such thing here"};
  auto& queue = found->second;
  Reply reply = queue.front();
  if (queue.size() > 1) queue.erase(queue.begin());
  return reply;
}

ApiStub::Reply problem(int status, const std::string& code, const std::string& title,
                       const std::string& detail) {
  return {status, fmt::format(R"({{"type":"urn:serin:problem:{0}","title":"{1}","status":{2},)"
                              R"("detail":"{3}","instance":"/","code":"{0}"}})",
                              code, title, status, detail)};
}

}  // namespace serin::ctl
