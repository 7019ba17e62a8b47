#include "aggregator/api/http_server.h"

#include <fmt/core.h>
#include <microhttpd.h>

#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>

#include "aggregator/api/problem.h"
#include "common/log.h"
#include "common/loop.h"

namespace serin::aggregator {

namespace {

struct StopDaemon {
  void operator()(MHD_Daemon* daemon) const { MHD_stop_daemon(daemon); }
};
struct DestroyResponse {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};

/// A header's value, empty when absent. Nothing else may stand in a value than what C strings can
/// hold.
std::string header(MHD_Connection* connection, const char* name) {
  const char* value = nullptr;
  size_t size = 0;
  if (MHD_lookup_connection_value_n(connection, MHD_HEADER_KIND, name, std::strlen(name), &value,
                                    &size) != MHD_YES ||
      value == nullptr) {
    return {};
  }
  return {value, size};
}

}  // namespace

struct HttpServer::Impl {
  /// One request on its way. Shared with the Reply, which may outlive the connection.
  struct Exchange {
    Impl* server = nullptr;
    MHD_Connection* connection = nullptr;
    HttpRequest request;
    size_t received = 0;
    enum class Stage { head, body, asked, suspended, ready, gone } stage = Stage::head;
    bool too_large = false;
    std::optional<HttpResponse> response;
  };
  using Held = std::shared_ptr<Exchange>;

  Impl(uv_loop_t* loop, HttpHandler with)
      : handler(std::move(with)), timer(loop, [this] { run(); }) {}
  ~Impl() { stop(); }

  Result<void> start(uv_loop_t* loop, Listener listener);
  void run();
  [[nodiscard]] unsigned count() const;  ///< of connections
  void stop();
  void answer(const Held& exchange, HttpResponse response);
  MHD_Result take(Exchange& exchange, const Held& held, const char* data, size_t* size);
  MHD_Result ask(const Held& exchange);
  MHD_Result send(Exchange& exchange, const HttpResponse& response);
  bool body_is_refused(Exchange& exchange) const;

  static void* on_uri(void* self, const char* uri, MHD_Connection* connection);
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char* version, const char* data,
                               size_t* size, void** context);
  static void on_completed(void* self, MHD_Connection*, void** context, MHD_RequestTerminationCode);
  static void on_log(void* self, const char* format, va_list arguments);

  HttpHandler handler;
  UvTimer timer;
  std::optional<UvPoll> poll;
  std::unique_ptr<MHD_Daemon, StopDaemon> daemon;
  std::set<Held> suspended;
  std::map<int, uint64_t> answers;
  uint16_t port = 0;
  log::RateLimited log_limit;
};

Result<void> HttpServer::Impl::start(uv_loop_t* loop, Listener listener) {
  port = listener.port;
  // The escapes of an address are ours to read: libmicrohttpd would end a path at %00.
  const auto keep_escapes = +[](void*, MHD_Connection*, char* text) { return std::strlen(text); };
  daemon.reset(MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, nullptr, nullptr,
      &on_request, this, MHD_OPTION_EXTERNAL_LOGGER, &on_log, this, MHD_OPTION_LISTEN_SOCKET,
      listener.socket.get(), MHD_OPTION_URI_LOG_CALLBACK, &on_uri, this,
      MHD_OPTION_NOTIFY_COMPLETED, &on_completed, this, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
      nullptr, MHD_OPTION_CONNECTION_LIMIT, kMostConnections, MHD_OPTION_CONNECTION_TIMEOUT,
      kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytes, MHD_OPTION_END));
  if (!daemon) return fail(fmt::format("the HTTP server does not start on port {}", port));
  static_cast<void>(listener.socket.release());  // libmicrohttpd closes it
  const auto* info = MHD_get_daemon_info(daemon.get(), MHD_DAEMON_INFO_EPOLL_FD);
  SERIN_VERIFY(info != nullptr);
  auto watched = UvPoll::make(loop, info->epoll_fd, [this](int, int) { run(); });
  if (!watched) return std::unexpected(watched.error());
  poll.emplace(std::move(*watched));
  poll->start(UV_READABLE);
  return {};
}

unsigned HttpServer::Impl::count() const {
  const auto* info =
      daemon ? MHD_get_daemon_info(daemon.get(), MHD_DAEMON_INFO_CURRENT_CONNECTIONS) : nullptr;
  return info == nullptr ? 0 : info->num_connections;
}

// A daemon at its limit stops listening, and looks at the limit again only when it begins to run:
// where the last connections end within a run, nothing would ever wake it for those that wait.
void HttpServer::Impl::run() {
  for (unsigned before = count() + 1; count() < before;) {
    before = count();
    MHD_run(daemon.get());
  }
  MHD_UNSIGNED_LONG_LONG wait_ms = 0;
  if (MHD_get_timeout(daemon.get(), &wait_ms) == MHD_YES)
    timer.start(wait_ms);
  else
    timer.stop();
}

void HttpServer::Impl::stop() {
  if (!daemon) return;
  handler = [](const HttpRequest& request, const Reply& reply) {
    reply(problem_response("bus_unavailable", "the aggregator is stopping; ask again",
                           request.target));
  };
  for (const Held& exchange : std::set<Held>(suspended)) {
    answer(exchange, problem_response("bus_unavailable",
                                      "the aggregator is stopping; ask again with the same key",
                                      exchange->request.target));
  }
  MHD_run(daemon.get());  // suspended connections must be awake before the daemon stops
  poll.reset();
  timer.stop();
  daemon.reset();
}

void HttpServer::Impl::answer(const Held& exchange, HttpResponse response) {
  if (exchange->stage == Exchange::Stage::gone || exchange->response) return;
  exchange->response = std::move(response);
  if (exchange->stage != Exchange::Stage::suspended) return;  // ask() sends it
  exchange->stage = Exchange::Stage::ready;
  suspended.erase(exchange);
  MHD_resume_connection(exchange->connection);
  timer.start(0);  // not at once: this may be called from inside libmicrohttpd
}

/// Only here is an address seen as it came.
void* HttpServer::Impl::on_uri(void* self, const char* uri, MHD_Connection* connection) {
  auto exchange = std::make_shared<Exchange>();
  exchange->server = static_cast<Impl*>(self);
  exchange->connection = connection;
  exchange->request.target = uri;
  return new Held(std::move(exchange));
}

void HttpServer::Impl::on_completed(void*, MHD_Connection*, void** context,
                                    MHD_RequestTerminationCode) {
  auto* held = static_cast<Held*>(*context);
  if (held == nullptr) return;
  (*held)->stage = Exchange::Stage::gone;
  (*held)->server->suspended.erase(*held);
  delete held;
  *context = nullptr;
}

MHD_Result HttpServer::Impl::on_request(void* self, MHD_Connection* connection, const char*,
                                        const char* method, const char*, const char* data,
                                        size_t* size, void** context) {
  auto* held = static_cast<Held*>(*context);
  SERIN_VERIFY(held != nullptr && self == (*held)->server);
  Exchange& exchange = **held;
  if (exchange.stage == Exchange::Stage::head) {
    exchange.stage = Exchange::Stage::body;
    HttpRequest& request = exchange.request;
    request.method = method;
    request.authorization = header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
    request.idempotency_key = header(connection, "Idempotency-Key");
    request.host = header(connection, MHD_HTTP_HEADER_HOST);
    if (exchange.server->body_is_refused(exchange)) {
      return exchange.server->send(
          exchange,
          problem_response("too_large", fmt::format("a body may have {} bytes", kMostBodyBytes),
                           request.target));
    }
    return MHD_YES;
  }
  return exchange.server->take(exchange, *held, data, size);
}

/// A body that is announced as far too long, or before which the client waits, is refused before it
/// comes.
bool HttpServer::Impl::body_is_refused(Exchange& exchange) const {
  const std::string announced = header(exchange.connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
  uint64_t bytes = 0;
  std::from_chars(announced.data(), announced.data() + announced.size(), bytes);
  if (bytes <= kMostBodyBytes) return false;
  return bytes > kMostDiscarded || !header(exchange.connection, MHD_HTTP_HEADER_EXPECT).empty();
}

MHD_Result HttpServer::Impl::take(Exchange& exchange, const Held& held, const char* data,
                                  size_t* size) {
  if (*size > 0) {
    exchange.received += *size;
    exchange.too_large = exchange.received > kMostBodyBytes;
    if (exchange.too_large)
      exchange.request.body.clear();
    else
      exchange.request.body.append(data, *size);
    *size = 0;
    return exchange.received > kMostDiscarded ? MHD_NO : MHD_YES;
  }
  if (exchange.stage == Exchange::Stage::body) return ask(held);
  // Resumed.
  return exchange.response ? send(exchange, *exchange.response) : MHD_NO;
}

MHD_Result HttpServer::Impl::ask(const Held& held) {
  Exchange& exchange = *held;
  exchange.stage = Exchange::Stage::asked;
  if (exchange.too_large) {
    return send(exchange, problem_response("too_large",
                                           fmt::format("a body may have {} bytes", kMostBodyBytes),
                                           exchange.request.target));
  }
  handler(exchange.request, [held](HttpResponse response) {
    if (held->stage != Exchange::Stage::gone) held->server->answer(held, std::move(response));
  });
  if (exchange.response) return send(exchange, *exchange.response);
  exchange.stage = Exchange::Stage::suspended;
  suspended.insert(held);
  MHD_suspend_connection(exchange.connection);
  return MHD_YES;
}

MHD_Result HttpServer::Impl::send(Exchange& exchange, const HttpResponse& response) {
  ++answers[response.status];
  const std::unique_ptr<MHD_Response, DestroyResponse> made(MHD_create_response_from_buffer(
      response.body.size(),
      // It is copied; the parameter is not const for history's sake.
      const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY));
  if (!made) return MHD_NO;
  MHD_add_response_header(made.get(), MHD_HTTP_HEADER_CONTENT_TYPE, response.content_type.c_str());
  MHD_add_response_header(made.get(), MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(made.get(), "X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers)
    MHD_add_response_header(made.get(), name.c_str(), value.c_str());
  return MHD_queue_response(exchange.connection, static_cast<unsigned>(response.status),
                            made.get());
}

void HttpServer::Impl::on_log(void* self, const char* format, va_list arguments) {
  auto* server = static_cast<Impl*>(self);
  // The format tells one kind of trouble from another; a client cannot choose it.
  const auto more = server->log_limit.pass(format, static_cast<int64_t>(uv_hrtime() / 1000));
  if (!more) return;
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  std::string line(text);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  log::warning("http: {} ({} more like it before)", line, *more);
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(uv_loop_t* loop, Listener listener,
                                                      HttpHandler handler) {
  auto impl = std::make_unique<Impl>(loop, std::move(handler));
  if (auto started = impl->start(loop, std::move(listener)); !started)
    return std::unexpected(started.error());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

uint16_t HttpServer::port() const {
  return impl_->port;
}
const std::map<int, uint64_t>& HttpServer::answers() const {
  return impl_->answers;
}
unsigned HttpServer::connections() const {
  return impl_->count();
}

}  // namespace serin::aggregator
