#include "common/bus/connection.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace serin::bus {
namespace {

constexpr int64_t kConnectTimeoutMs = 2000;
constexpr int64_t kReconnectWaitMs = 500;
constexpr int64_t kReconnectJitterMs = 500;  // a fleet must not come back in one instant
constexpr int64_t kPingIntervalMs =
    3000;  // with 2 pings out a frozen server is noticed within about 9 s
constexpr int kPingsOut = 2;
constexpr int64_t kWriteDeadlineMs = 2000;  // a full socket must not hold a publisher for longer
constexpr int kEver = -1;

std::shared_ptr<ConnectionListener> listener_of(void* closure) {
  return Closure::target<ConnectionListener>(closure);
}

void on_connected(natsConnection*, void* closure) {
  if (auto listener = listener_of(closure)) listener->link_connected();
}
void on_disconnected(natsConnection*, void* closure) {
  if (auto listener = listener_of(closure)) listener->link_disconnected();
}
void on_closed(natsConnection*, void* closure) {
  if (auto listener = listener_of(closure)) listener->link_closed();
}
void on_error(natsConnection* connection, natsSubscription*, natsStatus status, void* closure) {
  auto listener = listener_of(closure);
  if (!listener) return;
  const char* text = nullptr;
  natsConnection_GetLastError(connection, &text);
  listener->link_error(text != nullptr && *text != '\0' ? text : natsStatus_GetText(status));
}

bool any_tls(const std::vector<std::string>& urls) {
  return std::ranges::any_of(urls,
                             [](const std::string& url) { return url.starts_with("tls://"); });
}

natsStatus set_servers(natsOptions* raw, const std::vector<std::string>& urls) {
  std::vector<const char*> list;
  list.reserve(urls.size());
  for (const std::string& url : urls) list.push_back(url.c_str());
  const natsStatus status = natsOptions_SetServers(raw, list.data(), static_cast<int>(list.size()));
  return status == NATS_OK && any_tls(urls) ? natsOptions_SetSecure(raw, true) : status;
}

natsStatus set_identity(natsOptions* raw, const ConnectionOptions& options) {
  natsStatus status = natsOptions_SetName(raw, options.name.c_str());
  if (status == NATS_OK && options.credentials) {
    status = natsOptions_SetUserCredentialsFromFiles(raw, options.credentials->c_str(), nullptr);
  }
  if (status == NATS_OK && !options.inbox_prefix.empty()) {
    status = natsOptions_SetCustomInboxPrefix(raw, options.inbox_prefix.c_str());
  }
  return status;
}

natsStatus set_patience(natsOptions* raw, int reconnect_buffer_bytes) {
  natsStatus status = natsOptions_SetTimeout(raw, kConnectTimeoutMs);
  if (status == NATS_OK) status = natsOptions_SetMaxReconnect(raw, kEver);
  if (status == NATS_OK) status = natsOptions_SetReconnectWait(raw, kReconnectWaitMs);
  if (status == NATS_OK)
    status = natsOptions_SetReconnectJitter(raw, kReconnectJitterMs, kReconnectJitterMs);
  if (status == NATS_OK) status = natsOptions_SetReconnectBufSize(raw, reconnect_buffer_bytes);
  if (status == NATS_OK) status = natsOptions_SetPingInterval(raw, kPingIntervalMs);
  if (status == NATS_OK) status = natsOptions_SetMaxPingsOut(raw, kPingsOut);
  if (status == NATS_OK) status = natsOptions_SetWriteDeadline(raw, kWriteDeadlineMs);
  if (status == NATS_OK) status = natsOptions_SetFailRequestsOnDisconnect(raw, true);
  if (status == NATS_OK)
    status = natsOptions_SetSendAsap(raw, true);  // nothing lingers in a buffer, nobody is woken
  if (status == NATS_OK)
    status = natsOptions_UseGlobalMessageDelivery(raw, true);  // one thread: arrival order
  return status;
}

natsStatus set_callbacks(natsOptions* raw, void* closure) {
  natsStatus status = natsOptions_SetReconnectedCB(raw, on_connected, closure);
  if (status == NATS_OK) status = natsOptions_SetDisconnectedCB(raw, on_disconnected, closure);
  if (status == NATS_OK) status = natsOptions_SetClosedCB(raw, on_closed, closure);
  if (status == NATS_OK) status = natsOptions_SetErrorHandler(raw, on_error, closure);
  return status;
}

Result<OptionsPtr> make_options(const ConnectionOptions& options, void* closure) {
  if (options.urls.empty()) return fail("no NATS server is named: set [nats] url");
  natsOptions* raw = nullptr;
  natsStatus status = natsOptions_Create(&raw);
  OptionsPtr made(raw);
  if (status == NATS_OK) status = set_servers(raw, options.urls);
  if (status == NATS_OK) status = set_identity(raw, options);
  if (status == NATS_OK) status = set_patience(raw, options.reconnect_buffer_bytes);
  if (status == NATS_OK) status = set_callbacks(raw, closure);
  if (status != NATS_OK)
    return fail(fmt::format("the NATS settings do not work: {}", last_error_text(status)));
  return made;
}

/// The servers without user and password.
std::string shown(const std::vector<std::string>& urls) {
  std::string all;
  for (const std::string& url : urls) {
    const size_t at = url.rfind('@');
    const size_t scheme = url.find("://");
    const size_t begin = at != std::string::npos       ? at + 1
                         : scheme != std::string::npos ? scheme + 3
                                                       : 0;
    all += (all.empty() ? "" : ", ") + url.substr(begin);
  }
  return all;
}

/// cnats would only say that the connection is closed.
Result<void> check_credentials(const std::optional<std::filesystem::path>& path) {
  if (!path || access(path->c_str(), R_OK) == 0) return {};
  return fail(
      fmt::format("cannot read the NATS credentials {}: {}", path->string(), std::strerror(errno)));
}

}  // namespace

std::string last_error_text(natsStatus status) {
  natsStatus last = NATS_OK;
  const char* raw = nats_GetLastError(&last);
  std::string_view text = last == status && raw != nullptr ? raw : "";
  if (text.starts_with('('))
    text.remove_prefix(std::min(text.find("): ") + 3, text.size()));  // "(conn.c:733): "
  return std::string(text.empty() ? natsStatus_GetText(status) : text);
}

Connection::Connection(std::shared_ptr<ConnectionListener> listener, std::string inbox_prefix)
    : listener_(std::move(listener)), inbox_prefix_(std::move(inbox_prefix)) {
  closure_.emplace(listener_);
}

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionOptions& options,
                                                     std::shared_ptr<ConnectionListener> listener) {
  if (auto readable = check_credentials(options.credentials); !readable)
    return std::unexpected(readable.error());
  std::unique_ptr<Connection> made(new Connection(std::move(listener), options.inbox_prefix));
  auto raw = make_options(options, made->closure_->key());
  if (!raw) return std::unexpected(raw.error());
  const natsStatus status = natsConnection_Connect(&made->connection_, raw->get());
  if (status != NATS_OK) {
    return fail(fmt::format("cannot connect to NATS at {}: {}", shown(options.urls),
                            last_error_text(status)));
  }
  made->listener_->link_connected();  // cnats calls only for what it does by itself
  return made;
}

Connection::~Connection() {
  closure_.reset();
  if (connection_ == nullptr) return;
  natsConnection_Close(connection_);
  natsConnection_Destroy(connection_);
}

std::string Connection::new_inbox() const {
  natsInbox* raw = nullptr;
  if (natsInbox_Create(&raw) != NATS_OK) return {};
  std::string made(raw);
  natsInbox_Destroy(raw);
  if (inbox_prefix_.empty()) return made;
  return inbox_prefix_ + made.substr(made.find('.'));
}

uint64_t Connection::reconnects() const {
  natsStatistics* raw = nullptr;
  uint64_t count = 0;
  if (natsStatistics_Create(&raw) != NATS_OK) return 0;
  if (natsConnection_GetStats(connection_, raw) == NATS_OK) {
    natsStatistics_GetCounts(raw, nullptr, nullptr, nullptr, nullptr, &count);
  }
  natsStatistics_Destroy(raw);
  return count;
}

std::string Connection::last_error() const {
  const char* text = nullptr;
  const natsStatus status = natsConnection_GetLastError(connection_, &text);
  if (status == NATS_OK) return {};
  return text != nullptr && *text != '\0' ? text : natsStatus_GetText(status);
}

Result<SubscriptionPtr> Connection::subscribe(const std::string& subject, natsMsgHandler handler,
                                              const Closure& closure) const {
  natsSubscription* raw = nullptr;
  const natsStatus status =
      natsConnection_Subscribe(&raw, connection_, subject.c_str(), handler, closure.key());
  if (status != NATS_OK)
    return fail(fmt::format("cannot subscribe to {}: {}", subject, last_error_text(status)));
  return SubscriptionPtr(raw);
}

Result<SubscriptionPtr> Connection::subscribe_sync(const std::string& subject) const {
  natsSubscription* raw = nullptr;
  const natsStatus status = natsConnection_SubscribeSync(&raw, connection_, subject.c_str());
  if (status != NATS_OK)
    return fail(fmt::format("cannot subscribe to {}: {}", subject, last_error_text(status)));
  return SubscriptionPtr(raw);
}

}  // namespace serin::bus
