#include "agent/sampler/host_check.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <unistd.h>

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using Line = ServiceCheck::Line;

constexpr rlim_t kLeastFiles = 256;  // a log, a socket or three of /proc for each service

bool is_writable_folder(const fs::path& folder) {
  std::error_code error;
  return fs::is_directory(folder, error) && ::access(folder.c_str(), W_OK) == 0;
}

Line state_line(const fs::path& folder) {
  if (is_writable_folder(folder))
    return {Line::Mark::good, "state", folder.string() + " is writable", {}};
  return {Line::Mark::bad, "state", folder.string() + " is not a writable folder",
          fmt::format("install -d -o serin -g serin -m 0700 {}, and run check as the agent's user",
                      folder.string())};
}

Line live_line(const fs::path& socket) {
  const auto folder = socket.parent_path();
  if (is_writable_folder(folder))
    return {Line::Mark::good, "live", socket.string() + " is where `serin-agent top` listens", {}};
  return {
      Line::Mark::note, "live",
      folder.string() + " is no folder to make a socket in: `serin-agent top` shows nothing",
      "systemd makes it when the unit starts (RuntimeDirectory=); else set [agent] live_socket"};
}

Line metrics_line(const fs::path& file) {
  const auto folder = file.parent_path();
  if (is_writable_folder(folder))
    return {Line::Mark::good, "metrics", "go to " + file.string(), {}};
  return {Line::Mark::bad, "metrics", folder.string() + " is not a writable folder",
          fmt::format("let the agent's group write there, and a drop-in with ReadWritePaths={}",
                      folder.string())};
}

/// What the kernel knows of the clock: a host whose time is wrong has its samples set right by the
/// aggregator, but commands to it expire by this clock.
Line clock_line() {
  timex state{};
  state.modes = 0;
  const int word = ::adjtimex(&state);
  if (word < 0) return {Line::Mark::note, "clock", "cannot be asked about", "run it on the host"};
  if (word != TIME_ERROR) return {Line::Mark::good, "clock", "is kept in time", {}};
  return {Line::Mark::note, "clock",
          "nothing keeps it in time: signed commands expire by this clock",
          "apt install chrony, or systemctl enable --now systemd-timesyncd; in a container the "
          "host's clock counts"};
}

Line limits_line() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= kLeastFiles)
    return {Line::Mark::good,
            "limits",
            fmt::format("{} open files are allowed", static_cast<uint64_t>(files.rlim_cur)),
            {}};
  return {Line::Mark::bad, "limits",
          fmt::format("only {} open files are allowed", static_cast<uint64_t>(files.rlim_cur)),
          "LimitNOFILE=1024 in a drop-in for serin-agent.service"};
}

}  // namespace

std::vector<Line> check_host(const AgentConfig& config) {
  std::vector<Line> lines{state_line(config.state_dir), live_line(config.live_socket)};
  if (config.metrics_file) lines.push_back(metrics_line(*config.metrics_file));
  lines.push_back(clock_line());
  lines.push_back(limits_line());
  if (::geteuid() == 0)
    lines.push_back({Line::Mark::note, "user", "you are root and may read more than the agent",
                     "runuser -u serin -g serin -G adm -- serin-agent check shows what it sees"});
  return lines;
}

}  // namespace serin::agent
