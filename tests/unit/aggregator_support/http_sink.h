#pragma once

#include <netinet/in.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/loop.h"

namespace serin::aggregator {

/// A receiver of webhooks on loopback, on the test's own loop. Answers what it was told to, in
/// order, then 200.
class HttpSink {
 public:
  struct Request {
    std::string head;  ///< request line and header lines
    std::string body;
    [[nodiscard]] std::string header(const std::string& name) const {
      std::string lower = head;
      std::ranges::transform(lower, lower.begin(),
                             [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      std::string key = "\r\n" + name + ": ";
      std::ranges::transform(key, key.begin(),
                             [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const size_t at = lower.find(key);
      if (at == std::string::npos) return {};
      const size_t begin = at + key.size();
      return head.substr(begin, head.find("\r\n", begin) - begin);
    }
  };
  static constexpr int kSilence = 0;  ///< an answer that never comes

  explicit HttpSink(uv_loop_t* loop, int port = 0) : server_(new uv_tcp_t) {
    SERIN_VERIFY(uv_tcp_init(loop, server_) == 0);
    server_->data = this;
    sockaddr_in address{};
    SERIN_VERIFY(uv_ip4_addr("127.0.0.1", port, &address) == 0);
    SERIN_VERIFY(uv_tcp_bind(server_, reinterpret_cast<sockaddr*>(&address), 0) == 0);
    SERIN_VERIFY(uv_listen(reinterpret_cast<uv_stream_t*>(server_), 64, on_connection) == 0);
    int size = sizeof address;
    SERIN_VERIFY(uv_tcp_getsockname(server_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~HttpSink() {
    for (auto* client : std::set<Client*>(clients_)) client->close();
    uv_close(reinterpret_cast<uv_handle_t*>(server_),
             [](uv_handle_t* h) { delete reinterpret_cast<uv_tcp_t*>(h); });
  }
  HttpSink(const HttpSink&) = delete;
  HttpSink& operator=(const HttpSink&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/hook";
  }
  void answer(std::vector<int> statuses) { statuses_.assign(statuses.begin(), statuses.end()); }
  void answer_headers(std::string lines) { extra_headers_ = std::move(lines); }
  [[nodiscard]] const std::vector<Request>& requests() const { return requests_; }

 private:
  struct Client {
    uv_tcp_t tcp{};
    HttpSink* sink = nullptr;
    std::string input;
    char buffer[4096] = {};
    bool closing = false;
    void close() {
      if (closing) return;
      closing = true;
      sink->clients_.erase(this);
      uv_close(reinterpret_cast<uv_handle_t*>(&tcp),
               [](uv_handle_t* h) { delete static_cast<Client*>(h->data); });
    }
  };

  static void on_connection(uv_stream_t* server, int status) {
    if (status < 0) return;
    auto* client = new Client;
    client->sink = static_cast<HttpSink*>(server->data);
    SERIN_VERIFY(uv_tcp_init(server->loop, &client->tcp) == 0);
    client->tcp.data = client;
    client->sink->clients_.insert(client);
    if (uv_accept(server, reinterpret_cast<uv_stream_t*>(&client->tcp)) != 0)
      return client->close();
    uv_read_start(
        reinterpret_cast<uv_stream_t*>(&client->tcp),
        [](uv_handle_t* h, size_t, uv_buf_t* buf) {
          auto* c = static_cast<Client*>(h->data);
          *buf = uv_buf_init(c->buffer, sizeof c->buffer);
        },
        [](uv_stream_t* stream, ssize_t count, const uv_buf_t* buf) {
          auto* c = static_cast<Client*>(stream->data);
          if (count < 0) return c->close();
          c->input.append(buf->base, static_cast<size_t>(count));
          c->sink->take(*c);
        });
  }

  void take(Client& client) {
    const size_t end = client.input.find("\r\n\r\n");
    if (end == std::string::npos) return;
    Request request{client.input.substr(0, end + 2), {}};
    const size_t length = std::strtoul(request.header("content-length").c_str(), nullptr, 10);
    if (client.input.size() < end + 4 + length) return;
    request.body = client.input.substr(end + 4, length);
    client.input.erase(0, end + 4 + length);
    requests_.push_back(request);
    int status = 200;
    if (!statuses_.empty()) {
      status = statuses_.front();
      statuses_.pop_front();
    }
    if (status == kSilence) return;
    reply(client, "HTTP/1.1 " + std::to_string(status) + " Told\r\n" + extra_headers_ +
                      "Content-Length: 2\r\n\r\nok");
  }

  static void reply(Client& client, std::string text) {
    struct Write {
      uv_write_t request{};
      std::string text;
    };
    auto* write = new Write{{}, std::move(text)};
    write->request.data = write;
    uv_buf_t buf = uv_buf_init(write->text.data(), static_cast<unsigned>(write->text.size()));
    uv_write(&write->request, reinterpret_cast<uv_stream_t*>(&client.tcp), &buf, 1,
             [](uv_write_t* request, int) { delete static_cast<Write*>(request->data); });
  }

  uv_tcp_t* server_;
  int port_ = 0;
  std::set<Client*> clients_;
  std::deque<int> statuses_;
  std::string extra_headers_;
  std::vector<Request> requests_;
};

}  // namespace serin::aggregator
