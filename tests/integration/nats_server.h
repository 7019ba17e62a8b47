#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace serin::test {

/// A real nats-server with JetStream on a free port of the loopback, its store in a directory of
/// its own. It ends with the test, also when the test dies. Every verb waits until it has happened;
/// failures end the test program.
class NatsServer {
 public:
  struct Options {
    /// Goes into the configuration as it is: users, permissions, max_payload.
    std::string extra_config;
    std::string max_file_store = "1GB";
    bool jetstream = true;
    bool started = true;  ///< false: only the port is known, for "NATS is away at the start"
  };

  NatsServer() : NatsServer(Options{}) {}
  explicit NatsServer(Options options);
  ~NatsServer();
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  [[nodiscard]] std::string url() const;  ///< nats://127.0.0.1:PORT
  /// With user and password inside.
  [[nodiscard]] std::string url(const std::string& user, const std::string& password) const;
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  void start();   ///< on the same port and store as before; returns when it accepts connections
  void stop();    ///< SIGTERM, then waits for its end
  void kill();    ///< SIGKILL
  void freeze();  ///< SIGSTOP: connections stay open and nothing answers
  void thaw();    ///< SIGCONT
  void empty_store();  ///< only while it is stopped
  /// Takes effect at the next start().
  void set_config(std::string extra_config) { options_.extra_config = std::move(extra_config); }
  [[nodiscard]] bool running() const { return pid_ > 0; }
  [[nodiscard]] std::string log() const;

 private:
  void write_config() const;
  void wait_until_ready();
  void reap();

  Options options_;
  std::filesystem::path directory_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace serin::test
