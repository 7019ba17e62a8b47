#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/service/moment.h"
#include "common/error.h"
#include "common/service_file.h"

namespace serin::agent {

/// The main process of a service.
struct FoundProcess {
  int32_t pid = 0;
  uint64_t start_ticks = 0;
  /// It was started and had ended before anybody could look: its ticks are those of the pid file.
  bool already_ended = false;
};

/// How the process of a service without a unit is found. What watches it knows only this.
class ServiceFinder {
 public:
  virtual ~ServiceFinder() = default;
  /// nullopt: nothing runs. An error says why that cannot be told. Asked only while no process is
  /// known.
  virtual Result<std::optional<FoundProcess>> find(const Moment& now) = 0;
  /// Files whose change means "look now".
  [[nodiscard]] virtual std::vector<std::filesystem::path> signs() const { return {}; }
  /// The least time between two looks, as one may be dear.
  [[nodiscard]] virtual uint64_t least_interval_us() const { return 0; }
};

/// By pid file: one small read and one of /proc/PID/stat. A pid file that was not written again
/// since the process that it named ended names nobody, even if the kernel gave the number away
/// again.
class PidFileFinder : public ServiceFinder {
 public:
  explicit PidFileFinder(std::filesystem::path file, std::filesystem::path proc = "/proc")
      : file_(std::move(file)), proc_(std::move(proc)) {}
  Result<std::optional<FoundProcess>> find(const Moment& now) override;
  [[nodiscard]] std::vector<std::filesystem::path> signs() const override { return {file_}; }

 private:
  /// One writing of the file.
  struct Writing {
    uint64_t pid = 0, inode = 0;
    int64_t mtime_ns = 0;
    friend bool operator==(const Writing&, const Writing&) = default;
  };
  std::filesystem::path file_, proc_;
  bool looked_ = false;
  std::optional<Writing> seen_;  ///< the last writing looked at
  uint64_t seen_ticks_ = 0;      ///< start of the process it named; 0: there was none
};

/// By executable path: walks /proc, so at most once a second. Finds the oldest process whose
/// executable is this file, or the file of that name in any release when the path leads through
/// `release_link`. Where another user's executable may not be read, its first argument must be the
/// path as configured.
class ExeFinder : public ServiceFinder {
 public:
  ExeFinder(std::filesystem::path exe, std::optional<std::filesystem::path> release_link,
            std::filesystem::path proc = "/proc")
      : exe_(std::move(exe)), release_link_(std::move(release_link)), proc_(std::move(proc)) {}
  Result<std::optional<FoundProcess>> find(const Moment& now) override;
  [[nodiscard]] uint64_t least_interval_us() const override {
    return 900'000;
  }  // a tick comes early at times

 private:
  /// What a running process's executable may be called now.
  struct Pattern {
    std::string whole;           ///< the resolved path
    std::string releases, rest;  ///< `releases`/ANY/`rest`; empty without a release link
  };
  [[nodiscard]] Pattern pattern() const;
  [[nodiscard]] bool is_ours(const std::filesystem::path& process, const Pattern& pattern) const;

  std::filesystem::path exe_;
  std::optional<std::filesystem::path> release_link_;
  std::filesystem::path proc_;
};

/// The finder of a service file. An error for a service by unit: see UnitService.
Result<std::unique_ptr<ServiceFinder>> make_finder(const ServiceFile& service);

}  // namespace serin::agent
