#include "agent/probe/process_probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "agent/probe/proc_parse.h"

namespace serin::agent {
namespace {

constexpr std::array<const char*, 5> kNames = {"stat", "statm", "status", "io", "limits"};
constexpr std::array<std::string_view, 5> kMetrics = {"cpu_seconds", "rss_bytes", "switches",
                                                      "io_bytes", "fd_limit"};
/// stat, io and the clock are each added up over all threads by the kernel, at 60 ns a thread: of
/// more than that stat has to do.
constexpr uint64_t kMostSummedThreads = 1000;
constexpr unsigned kLimitsEvery = 60;  // readings; prlimit on a running service is rare

bool means_ended(int error) {
  return error == ESRCH || error == ENOENT || error == ENODEV;
}

std::optional<uint64_t> minus(std::optional<uint64_t> now, std::optional<uint64_t> before) {
  if (!now || !before || *now < *before) return std::nullopt;
  return *now - *before;
}

std::optional<double> seconds(std::optional<uint64_t> amount, double per_second) {
  if (!amount) return std::nullopt;
  return static_cast<double>(*amount) / per_second;
}

}  // namespace

ProcessMetrics difference(const ProcessReading& before, const ProcessReading& now) {
  ProcessMetrics metrics;
  metrics.cpu_seconds = seconds(minus(now.cpu_ns, before.cpu_ns), 1e9);
  metrics.rss_bytes = now.rss_bytes;
  metrics.threads = now.threads;
  metrics.fds = now.fds;
  metrics.fd_limit = now.fd_limit;
  metrics.voluntary_switches = minus(now.voluntary_switches, before.voluntary_switches);
  metrics.involuntary_switches = minus(now.involuntary_switches, before.involuntary_switches);
  metrics.minor_faults = minus(now.minor_faults, before.minor_faults);
  metrics.major_faults = minus(now.major_faults, before.major_faults);
  metrics.read_bytes = minus(now.read_bytes, before.read_bytes);
  metrics.written_bytes = minus(now.written_bytes, before.written_bytes);
  metrics.memory_bytes = now.memory_bytes;
  metrics.processes = now.processes;
  metrics.run_delay_seconds = seconds(minus(now.run_delay_ns, before.run_delay_ns), 1e9);
  metrics.throttled_seconds = seconds(minus(now.throttled_ns, before.throttled_ns), 1e9);
  metrics.cpu_pressure_seconds = seconds(minus(now.cpu_pressure_us, before.cpu_pressure_us), 1e6);
  metrics.memory_pressure_seconds =
      seconds(minus(now.memory_pressure_us, before.memory_pressure_us), 1e6);
  metrics.io_pressure_seconds = seconds(minus(now.io_pressure_us, before.io_pressure_us), 1e6);
  metrics.oom_kills = minus(now.oom_kills, before.oom_kills);
  return metrics;
}

ProcessProbe::Options ProcessProbe::for_this_machine() {
  Options options;
  struct stat info {};
  options.count_fds_by_size = ::stat("/proc/self/fd", &info) == 0 && info.st_size > 0;
  return options;
}

Result<ProcessProbe> ProcessProbe::open(int32_t pid, const Options& options) {
  ProcessProbe probe(pid, options);
  auto path = options.root / std::to_string(pid);
  probe.folder_.reset(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!probe.folder_)
    return fail(fmt::format("no process {}: {}: {}", pid, path.string(), errno_text(errno)));
  for (int file = 0; file < kFileCount; ++file) probe.open_file(static_cast<File>(file));
  probe.open_fd_folder();

  std::string_view text;
  if (probe.read_file(kStat, text) != Outcome::ok)
    return fail(fmt::format("process {} ended, or {}/stat cannot be read", pid, path.string()));
  auto stat = parse_stat(text);
  if (!stat) return fail(fmt::format("{}/stat is not what proc(5) describes", path.string()));
  if (stat->state == 'Z' || stat->state == 'X')
    return fail(fmt::format("process {} has ended (zombie)", pid));
  probe.start_ticks_ = stat->start_ticks;
  return probe;
}

void ProcessProbe::open_file(File file) {
  files_[file].reset(::openat(folder_.get(), kNames[file], O_RDONLY | O_CLOEXEC));
  if (!files_[file])
    note_absent(kMetrics[file],
                fmt::format("/proc/{}/{}: {}", pid_, kNames[file], errno_text(errno)));
}

void ProcessProbe::open_fd_folder() {
  // Its size may be asked by anybody, its contents only by the same user.
  const int access = options_.count_fds_by_size ? O_PATH : O_RDONLY;
  fd_folder_.reset(::openat(folder_.get(), "fd", access | O_DIRECTORY | O_CLOEXEC));
  if (!fd_folder_) note_absent("fds", fmt::format("/proc/{}/fd: {}", pid_, errno_text(errno)));
}

void ProcessProbe::note_absent(std::string_view metric, std::string reason) {
  for (auto& known : absent_)
    if (known.metric == metric) return;
  absent_.push_back({.metric = std::string(metric), .reason = std::move(reason)});
}

ProcessProbe::Outcome ProcessProbe::read_file(File file, std::string_view& text) {
  if (!files_[file]) return Outcome::unreadable;
  ssize_t got = ::pread(files_[file].get(), buffer_.data(), buffer_.size(), 0);
  if (got > 0) {
    text = {buffer_.data(), static_cast<size_t>(got)};
    // Cut: the last line may hold half a number.
    if (text.size() == buffer_.size()) text = text.substr(0, text.rfind('\n') + 1);
    return Outcome::ok;
  }
  if (got == 0 || means_ended(errno)) return Outcome::ended;
  note_absent(kMetrics[file],
              fmt::format("/proc/{}/{}: {}", pid_, kNames[file], errno_text(errno)));
  files_[file].reset();  // what is forbidden once stays forbidden: no second question each second
  return Outcome::unreadable;
}

std::optional<ProcessReading> ProcessProbe::read() {
  ProcessReading reading;
  // The clock is asked by pid, so it comes first: if stat still answers afterwards, the pid was
  // still ours.
  if (options_.cpu_clock) reading.cpu_ns = cpu_clock_ns();
  if (!read_stat(reading)) return std::nullopt;
  read_rest(reading);
  ++readings_;
  return reading;
}

bool ProcessProbe::read_stat(ProcessReading& reading) {
  std::string_view text;
  if (read_file(kStat, text) != Outcome::ok) return false;
  auto stat = parse_stat(text);
  if (!stat || stat->state == 'Z' || stat->state == 'X' || stat->start_ticks != start_ticks_)
    return false;
  if (!reading.cpu_ns) {
    static const uint64_t ns_per_tick =
        1'000'000'000U / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
    reading.cpu_ns = stat->cpu_ticks * ns_per_tick;
  }
  reading.threads = stat->threads;
  if (stat->threads > kMostSummedThreads) {
    options_.cpu_clock = false;
    if (files_[kIo])
      note_absent(kMetrics[kIo], "it would take a walk over more than 1,000 threads");
    files_[kIo].reset();
  }
  reading.minor_faults = stat->minor_faults;
  reading.major_faults = stat->major_faults;
  return true;
}

template <typename Value>
void ProcessProbe::take(std::optional<Value>& into, std::optional<Value> value, File from) {
  into = value;
  if (!value)
    note_absent(kMetrics[from], fmt::format("/proc/{}/{} is not what proc(5) describes, or longer "
                                            "than {} bytes",
                                            pid_, kNames[from], buffer_.size()));
}

void ProcessProbe::read_rest(ProcessReading& reading) {
  static const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::string_view text;
  if (read_file(kStatm, text) == Outcome::ok) {
    take(reading.rss_bytes, parse_statm_resident(text), kStatm);
    if (reading.rss_bytes) *reading.rss_bytes *= page;
  }
  if (read_file(kStatus, text) == Outcome::ok) {
    take(reading.voluntary_switches, parse_keyed(text, "voluntary_ctxt_switches"), kStatus);
    take(reading.involuntary_switches, parse_keyed(text, "nonvoluntary_ctxt_switches"), kStatus);
  }
  if (read_file(kIo, text) == Outcome::ok) {
    take(reading.read_bytes, parse_keyed(text, "read_bytes"), kIo);
    take(reading.written_bytes, parse_keyed(text, "write_bytes"), kIo);
  }
  if (readings_ % kLimitsEvery == 0 && read_file(kLimits, text) == Outcome::ok)
    fd_limit_ = parse_open_files_limit(text);
  reading.fd_limit = fd_limit_;
  reading.fds = count_fds();
}

std::optional<uint64_t> ProcessProbe::count_fds() {
  if (!fd_folder_) return std::nullopt;
  if (!options_.count_fds_by_size) return fd_listing_.count(fd_folder_.get(), ".");
  struct stat info {};
  if (::fstat(fd_folder_.get(), &info) != 0) return std::nullopt;
  return static_cast<uint64_t>(info.st_size);
}

std::optional<uint64_t> ProcessProbe::cpu_clock_ns() const {
  clockid_t clock = 0;
  timespec value{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &value) != 0)
    return std::nullopt;
  return static_cast<uint64_t>(value.tv_sec) * 1'000'000'000U +
         static_cast<uint64_t>(value.tv_nsec);
}

}  // namespace serin::agent
