#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/error.h"

namespace shop {

/// Where everything of one host lies.
struct HostFolder {
  std::filesystem::path root;
  std::filesystem::path program() const { return root / "current" / "shop"; }
  std::filesystem::path config() const { return root / "shop.conf"; }
  std::filesystem::path pid_file() const { return root / "run" / "shop.pid"; }
  std::filesystem::path socket() const { return root / "run" / "supervisor.sock"; }
  std::filesystem::path output() const { return root / "logs" / "shop.out"; }
  std::filesystem::path journal() const { return root / "logs" / "supervisor.jsonl"; }
};

/// Keeps one shop running, as systemd would with Restart=always and RestartSec=1: starts what
/// `current` points to, writes the pid file once the program is running, notes every start and end
/// as a JSON line. One thread; the caller reaps (on SIGCHLD) and calls `tend` when `next_start` has
/// come.
class Keeper {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kRestartDelay = std::chrono::seconds(1);
  static constexpr auto kStopPatience = std::chrono::seconds(2);  ///< between SIGTERM and SIGKILL

  explicit Keeper(HostFolder host) : host_(std::move(host)) {}
  ~Keeper() { stop(); }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  serin::Result<pid_t> start();
  /// Ends the shop and waits for it.
  void stop();
  /// Takes note if the shop has ended, and plans the next start.
  void reap(Clock::time_point now);
  /// Starts the shop if its time has come.
  void tend(Clock::time_point now);
  std::optional<Clock::time_point> next_start() const { return next_start_; }
  pid_t pid() const { return pid_; }

 private:
  serin::Result<pid_t> spawn(const std::filesystem::path& program);
  void note_end(int status);
  void note(const std::string& fields);

  HostFolder host_;
  pid_t pid_ = 0;
  std::string release_;
  std::optional<Clock::time_point> next_start_;
};

}  // namespace shop
