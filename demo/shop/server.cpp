#include "demo/shop/server.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>

namespace shop {
namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned kMostConnections = 512;
constexpr unsigned kIdleSeconds = 60;
constexpr size_t kStackBytes = 512 * 1024;
constexpr size_t kMostForm = 4096;  // a checkout's form is some tens of bytes
constexpr unsigned kClientGone = 499;

struct Exchange {
  Clock::time_point began = Clock::now();
  std::string line_path;  ///< the target as it came
  std::string method = "-", version = "-";
  std::string form;
  bool form_too_long = false;
  unsigned status = 0;
  uint64_t body_bytes = 0;
};

std::string unescaped(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c == '+') c = ' ';
  }
  out.resize(MHD_http_unescape(out.data()));
  return out;
}

void read_form(std::string_view form, std::map<std::string, std::string>& into) {
  while (!form.empty()) {
    const auto pair = form.substr(0, form.find('&'));
    form.remove_prefix(std::min(form.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos) {
      into[unescaped(pair.substr(0, equals))] = unescaped(pair.substr(equals + 1));
    }
  }
}

MHD_Result read_argument(void* into, MHD_ValueKind, const char* key, const char* value) {
  (*static_cast<std::map<std::string, std::string>*>(into))[key] = value ? value : "";
  return MHD_YES;
}

std::string remote_of(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  char text[INET_ADDRSTRLEN] = "-";
  if (info && info->client_addr && info->client_addr->sa_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(info->client_addr);
    inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
  }
  return text;
}

}  // namespace

struct Server::State {
  Handler handler;
  OnServed on_served;
  std::string release;
  std::mutex mutex;
  std::condition_variable idle;
  int under_way = 0;
  bool draining = false;

  void began() {
    const std::lock_guard lock(mutex);
    ++under_way;
  }
  void ended() {
    {
      const std::lock_guard lock(mutex);
      --under_way;
    }
    idle.notify_all();
  }
  bool is_draining() {
    const std::lock_guard lock(mutex);
    return draining;
  }
};

namespace {

void* on_line(void* context, const char* target, MHD_Connection*) {
  static_cast<Server::State*>(context)->began();
  auto exchange = std::make_unique<Exchange>();
  exchange->line_path = target;
  return exchange.release();  // owned by the connection until on_end
}

Response handled(Server::State& state, const Exchange& exchange, MHD_Connection* connection,
                 const char* url) {
  if (exchange.form_too_long) return {.status = 413, .body = "too long\n", .type = "text/plain"};
  Request request{.method = exchange.method, .path = url, .query = {}};
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, read_argument, &request.query);
  read_form(exchange.form, request.query);
  try {
    return state.handler(request);
  } catch (const std::exception& broken) {
    return {.status = 500,
            .body = fmt::format("internal error: {}\n", broken.what()),
            .type = "text/plain"};
  }
}

MHD_Result send(Server::State& state, Exchange& exchange, MHD_Connection* connection,
                const Response& response) {
  exchange.status = response.status;
  exchange.body_bytes = response.body.size();
  MHD_Response* out = MHD_create_response_from_buffer(
      response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
  MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, response.type.c_str());
  MHD_add_response_header(out, "Shop-Release", state.release.c_str());
  if (state.is_draining()) MHD_add_response_header(out, MHD_HTTP_HEADER_CONNECTION, "close");
  const MHD_Result queued = MHD_queue_response(connection, response.status, out);
  MHD_destroy_response(out);
  return queued;
}

MHD_Result on_request(void* context, MHD_Connection* connection, const char* url,
                      const char* method, const char* version, const char* upload,
                      size_t* upload_bytes, void** slot) {
  auto& state = *static_cast<Server::State*>(context);
  auto& exchange = *static_cast<Exchange*>(*slot);
  if (exchange.method == "-") {  // first call: the headers are here, a body may follow
    exchange.method = method;
    exchange.version = version;
    return MHD_YES;
  }
  if (*upload_bytes != 0) {
    exchange.form_too_long =
        exchange.form_too_long || exchange.form.size() + *upload_bytes > kMostForm;
    if (!exchange.form_too_long) exchange.form.append(upload, *upload_bytes);
    *upload_bytes = 0;
    return MHD_YES;
  }
  return send(state, exchange, connection, handled(state, exchange, connection, url));
}

void on_end(void* context, MHD_Connection* connection, void** slot,
            MHD_RequestTerminationCode how) {
  auto& state = *static_cast<Server::State*>(context);
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*slot));
  *slot = nullptr;
  if (!exchange) return;
  const bool answered = how == MHD_REQUEST_TERMINATED_COMPLETED_OK && exchange->status != 0;
  state.on_served(
      {.remote = remote_of(connection),
       .request_line = exchange->method + " " + exchange->line_path + " " + exchange->version,
       .status = answered ? exchange->status : kClientGone,
       .body_bytes = answered ? exchange->body_bytes : 0,
       .seconds = std::chrono::duration<double>(Clock::now() - exchange->began).count()});
  state.ended();
}

/// Our own socket: SO_REUSEADDR, so that a restart need not wait for the old connections to be
/// forgotten.
serin::Result<int> listening_socket(const std::string& where, int port) {
  sockaddr_in address{};
  if (inet_pton(AF_INET, where.c_str(), &address.sin_addr) != 1) {
    return serin::fail(fmt::format("'{}' is not an IPv4 address", where));
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 256) != 0) {
    const int code = errno;
    close(fd);
    return serin::fail(fmt::format("cannot listen on {}:{}: {}", where, port, std::strerror(code)));
  }
  return fd;
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

}  // namespace

serin::Result<std::unique_ptr<Server>> Server::start(const Options& options, Handler handler,
                                                     OnServed on_served) {
  auto fd = listening_socket(options.address, options.port);
  if (!fd) return std::unexpected(fd.error());
  std::unique_ptr<Server> server(new Server);
  server->port_ = port_of(*fd);
  server->state_ = std::make_unique<State>();
  server->state_->handler = std::move(handler);
  server->state_->on_served = std::move(on_served);
  server->state_->release = options.release;
  server->daemon_ = MHD_start_daemon(
      MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC,
      0, nullptr, nullptr, on_request, server->state_.get(), MHD_OPTION_LISTEN_SOCKET, *fd,
      MHD_OPTION_URI_LOG_CALLBACK, on_line, server->state_.get(), MHD_OPTION_NOTIFY_COMPLETED,
      on_end, server->state_.get(), MHD_OPTION_CONNECTION_LIMIT, kMostConnections,
      MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, MHD_OPTION_THREAD_STACK_SIZE, kStackBytes,
      MHD_OPTION_END);
  if (!server->daemon_) {
    close(*fd);
    return serin::fail("the HTTP server did not start");
  }
  return server;
}

bool Server::drain(std::chrono::milliseconds patience) {
  const int fd = MHD_quiesce_daemon(daemon_);
  if (fd >= 0) close(fd);
  std::unique_lock lock(state_->mutex);
  state_->draining = true;
  return state_->idle.wait_for(lock, patience, [this] { return state_->under_way == 0; });
}

Server::~Server() {
  if (daemon_) MHD_stop_daemon(daemon_);
}

}  // namespace shop
