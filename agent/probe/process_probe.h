#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/probe/fd_listing.h"
#include "common/error.h"
#include "common/file.h"
#include "schema/messages.h"

namespace serin::agent {

/// What the probe reads in one go; amounts are since the process's start. Absent is not zero.
struct ProcessReading {
  std::optional<uint64_t> cpu_ns, rss_bytes, threads, fds, fd_limit;
  /// Of the main thread: the kernel gives the sum over threads only by walking them.
  std::optional<uint64_t> voluntary_switches, involuntary_switches;
  std::optional<uint64_t> minor_faults, major_faults, read_bytes, written_bytes;
  // The rest is a whole service's, and set by ServiceProbe.
  std::optional<uint64_t> memory_bytes, processes, run_delay_ns, throttled_ns, oom_kills;
  std::optional<uint64_t> cpu_pressure_us, memory_pressure_us, io_pressure_us;
};

/// What happened between two readings; absent where either lacks a value or a count went backwards.
ProcessMetrics difference(const ProcessReading& before, const ProcessReading& now);

/// Reads one process through descriptors that stay open for its life: cheaper than opening by path,
/// and a kept descriptor can never point at another process that got the same pid. One reading
/// costs about 10 µs hot.
class ProcessProbe {
 public:
  struct Options {
    std::filesystem::path root = "/proc";
    /// The kernel's own nanosecond clock of the process, instead of ticks of 10 ms. Needs the real
    /// /proc.
    bool cpu_clock = true;
    /// fstat of /proc/PID/fd tells the count (Linux 6.2 and later); otherwise the folder is listed,
    /// seldom where there are many.
    bool count_fds_by_size = true;
  };
  /// Options for this machine: asks the kernel once whether fstat counts descriptors.
  static Options for_this_machine();

  /// Fails when the process is not there (or a zombie). A file that may not be opened is a reason,
  /// not a failure.
  static Result<ProcessProbe> open(int32_t pid, const Options& options);

  /// nullopt: the process has ended.
  std::optional<ProcessReading> read();

  /// Metrics that cannot be read, and why; settled at open and at the first reading.
  [[nodiscard]] const std::vector<Absent>& absent() const { return absent_; }
  [[nodiscard]] uint64_t start_ticks() const { return start_ticks_; }
  [[nodiscard]] int32_t pid() const { return pid_; }

 private:
  enum File { kStat, kStatm, kStatus, kIo, kLimits, kFileCount };
  enum class Outcome { ok, ended, unreadable };

  ProcessProbe(int32_t pid, Options options) : options_(std::move(options)), pid_(pid) {}
  void open_file(File file);
  void open_fd_folder();
  Outcome read_file(File file, std::string_view& text);
  template <typename Value>
  void take(std::optional<Value>& into, std::optional<Value> value, File from);
  bool read_stat(ProcessReading& reading);
  void read_rest(ProcessReading& reading);
  std::optional<uint64_t> count_fds();
  std::optional<uint64_t> cpu_clock_ns() const;
  void note_absent(std::string_view metric, std::string reason);

  Options options_;
  int32_t pid_;
  uint64_t start_ticks_ = 0;
  UniqueFd folder_, fd_folder_;
  FdListing fd_listing_;
  std::array<UniqueFd, kFileCount> files_;
  std::vector<Absent> absent_;
  std::optional<uint64_t> fd_limit_;
  unsigned readings_ = 0;
  /// status is about 1.5 KiB; of a longer one (hundreds of groups) the tail is absent.
  std::array<char, 4096> buffer_{};
};

}  // namespace serin::agent
