#pragma once

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/unit/aggregator_support/run_until.h"

namespace serin::aggregator {

struct Answer {
  long status = 0;
  std::string body;
  std::map<std::string, std::string> headers;
};

/// One request with libcurl, on a thread of its own, as the server lives on the test's loop.
inline std::future<Answer> call_async(uint16_t port, std::string method, std::string target,
                                      std::vector<std::string> headers = {},
                                      std::string body = {}) {
  return std::async(std::launch::async, [=] {
    const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl_easy_init(), curl_easy_cleanup);
    Answer answer;
    curl_slist* list = nullptr;
    for (const auto& header : headers) list = curl_slist_append(list, header.c_str());
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> owned(list, curl_slist_free_all);
    const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/";
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_REQUEST_TARGET, target.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, 15'000L);
    if (method == "HEAD") curl_easy_setopt(easy.get(), CURLOPT_NOBODY, 1L);
    if (method == "POST") {
      curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
      curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, body.c_str());
    }
    const auto take_body = +[](char* data, size_t size, size_t count, void* into) {
      static_cast<Answer*>(into)->body.append(data, size * count);
      return size * count;
    };
    const auto take_header = +[](char* data, size_t size, size_t count, void* into) {
      const std::string line(data, size * count);
      const size_t colon = line.find(": ");
      if (colon != std::string::npos) {
        static_cast<Answer*>(into)->headers[line.substr(0, colon)] =
            line.substr(colon + 2, line.size() - colon - 4);
      }
      return size * count;
    };
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(easy.get(), CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy.get(), CURLOPT_HEADERDATA, &answer);
    curl_easy_perform(easy.get());
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
  });
}

/// A plain blocking connection, for requests that no client would send.
class RawConnection {
 public:
  explicit RawConnection(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SERIN_VERIFY(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  ~RawConnection() { ::close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  /// False when the other side has hung up.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  /// What comes until the other side hangs up, or until `enough` stands in it.
  std::string read(const std::string& enough = "") {
    std::string result;
    char buffer[4096];
    while (enough.empty() || result.find(enough) == std::string::npos) {
      const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      result.append(buffer, static_cast<size_t>(count));
    }
    return result;
  }

 private:
  int fd_;
};

/// Turns the loop until the future is there.
template <typename T>
T wait_for(UvLoop& loop, std::future<T> future) {
  SERIN_VERIFY(run_until(
      loop, [&] { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
  return future.get();
}

/// Sends raw bytes and gives back what was answered.
inline std::string exchange(UvLoop& loop, uint16_t port, std::string bytes) {
  return wait_for(loop, std::async(std::launch::async, [=] {
                    RawConnection connection(port);
                    connection.send(bytes);
                    return connection.read();
                  }));
}

}  // namespace serin::aggregator
