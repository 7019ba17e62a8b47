#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/bus/closure.h"
#include "common/bus/handles.h"
#include "common/error.h"

namespace serin::bus {

struct ConnectionOptions {
  std::vector<std::string>
      urls;  ///< nats://host:port; tls://… speaks TLS with the system's authorities
  std::optional<std::filesystem::path> credentials;  ///< .creds file, read again at each connect
  std::string name;                                  ///< shown by the server's monitoring
  std::string inbox_prefix;                          ///< empty: _INBOX
  /// What cnats may hold back while it reconnects; 0: nothing, a publish fails at once (3.4.1 does
  /// so, whatever its header says). A sender with a ring of its own wants 0: what cnats held back
  /// would arrive before older messages that have to go again.
  int reconnect_buffer_bytes = 64 * 1024;
};

/// What a connection has to say. Called on threads of cnats: implementations only hand over.
class ConnectionListener {
 public:
  virtual ~ConnectionListener() = default;
  virtual void link_connected() = 0;  ///< also after each reconnect, subscriptions being in place
  virtual void link_disconnected() = 0;
  virtual void link_closed() = 0;  ///< for good (authentication refused twice): open a new one
  virtual void link_error(std::string text) = 0;  ///< such as a permission that is missing
};

/// One connection to NATS, without an event loop adapter: with it, a publish on the loop's thread
/// would wait for the network. Once up, it reconnects for ever. Its owner repeats open() until it
/// is up: cnats could do that too, but then it keeps to itself why it fails. All callbacks of one
/// process run on one delivery thread, in the order in which the messages arrived.
class Connection {
 public:
  /// Blocks for at most about 2 s per URL. The error says why it cannot connect now.
  static Result<std::unique_ptr<Connection>> open(const ConnectionOptions& options,
                                                  std::shared_ptr<ConnectionListener> listener);
  /// Blocks until the threads of this connection have ended (a connect that is under way: 2 s).
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] natsConnection* get() const { return connection_; }
  [[nodiscard]] bool up() const {
    return natsConnection_Status(connection_) == NATS_CONN_STATUS_CONNECTED;
  }
  /// How often it has come back, known before the listener is told.
  [[nodiscard]] uint64_t reconnects() const;
  /// The connection's last trouble; empty when there was none.
  [[nodiscard]] std::string last_error() const;
  /// A new subject below the inbox prefix, for answers.
  [[nodiscard]] std::string new_inbox() const;
  /// Calls handler(connection, subscription, message, closure) for each message.
  [[nodiscard]] Result<SubscriptionPtr> subscribe(const std::string& subject,
                                                  natsMsgHandler handler,
                                                  const Closure& closure) const;
  [[nodiscard]] Result<SubscriptionPtr> subscribe_sync(const std::string& subject) const;

 private:
  Connection(std::shared_ptr<ConnectionListener> listener, std::string inbox_prefix);

  std::shared_ptr<ConnectionListener> listener_;
  std::optional<Closure>
      closure_;  ///< gone before the connection closes: its last words concern nobody
  std::string inbox_prefix_;
  natsConnection* connection_ = nullptr;
};

}  // namespace serin::bus
