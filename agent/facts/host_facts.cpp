#include "agent/facts/host_facts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <vector>

#include "common/file.h"
#include "schema/fact.h"

namespace serin::agent {
namespace {

constexpr size_t kMostStatusBytes = size_t{32} * 1024 * 1024;
constexpr size_t kLogTailBytes =
    size_t{256} * 1024;              // some 2,500 lines: a day, but for a dist-upgrade
constexpr size_t kHeadBytes = 8192;  // the first CPU; the whole of cpuinfo costs 0.1 ms a CPU

/// The kernel's settings that change how a service behaves under load, and why each is here.
constexpr std::array<std::string_view, 22> kSettings = {
    "net.core.somaxconn",            // a longer accept queue is cut to it: refused connections
    "net.ipv4.tcp_max_syn_backlog",  // the same, for half-open ones
    "net.ipv4.ip_local_port_range",  // too few ports: outgoing connections fail
    "net.ipv4.tcp_tw_reuse",         // how soon those ports come back
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_rmem",  // buffers: throughput over distance, and memory
    "net.ipv4.tcp_wmem",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_slow_start_after_idle",  // latency after a pause
    "net.ipv4.tcp_keepalive_time",         // how long a dead peer is held
    "net.core.netdev_max_backlog",         // packets dropped before they are looked at
    "vm.overcommit_memory",                // fork and mmap fail, or the OOM killer comes
    "vm.swappiness",
    "vm.max_map_count",  // mmap and threads fail beyond it
    "vm.dirty_ratio",    // writes that suddenly wait
    "vm.dirty_background_ratio",
    "fs.file-max",  // descriptors of the whole host
    "fs.nr_open",
    "kernel.pid_max",
    "kernel.threads-max",
};

std::string as_it_is(std::string_view text) {
  return in_one_line(text);
}

/// The beginning of a file whose end may be far.
std::string head_of(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text(kHeadBytes, '\0');
  const ssize_t got = fd ? ::pread(fd.get(), text.data(), text.size(), 0) : 0;
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

/// The last whole lines of a file.
std::string tail_of(const std::filesystem::path& file, off_t bytes) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const off_t from = std::max<off_t>(0, bytes - static_cast<off_t>(kLogTailBytes));
  std::string text(static_cast<size_t>(std::min<off_t>(bytes, kLogTailBytes)), '\0');
  const ssize_t got = fd ? ::pread(fd.get(), text.data(), text.size(), from) : 0;
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (from > 0) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return text;
}

std::string utc(int64_t wall_us, const char* format) {
  const std::time_t seconds = wall_us / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

/// dpkg writes local time.
std::string local(int64_t wall_us) {
  const std::time_t seconds = wall_us / 1'000'000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts)};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

}  // namespace

std::string hash_of_dpkg_status(std::string_view status) {
  std::vector<std::string> installed;
  std::string name, architecture, version;
  bool there = false;
  const auto end_of_package = [&] {
    if (there && !name.empty())
      installed.push_back(name + ":" + architecture + "=" + version + "\n");
    name.clear();
    there = false;
  };
  while (!status.empty()) {
    const auto line = status.substr(0, status.find('\n'));
    status.remove_prefix(std::min(line.size() + 1, status.size()));
    if (line.empty())
      end_of_package();
    else if (line.starts_with("Package: "))
      name = line.substr(9);
    else if (line.starts_with("Version: "))
      version = line.substr(9);
    else if (line.starts_with("Architecture: "))
      architecture = line.substr(14);
    else if (line.starts_with("Status: "))
      there = line.ends_with(" installed");
  }
  end_of_package();
  if (installed.empty()) return {};
  std::ranges::sort(installed);
  std::string all;
  for (const auto& package : installed) all += package;
  return short_hash(all);
}

std::string recent_packages(std::string_view log, std::string_view since) {
  constexpr size_t kTimeBytes = 19;  // 2026-11-20 10:00:01
  constexpr size_t kRoomForRest = 24;
  std::vector<std::pair<std::string, std::string>> changed;  // name, what it is now; oldest first
  while (!log.empty()) {
    const auto line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(line.size() + 1, log.size()));
    // DATE TIME status installed NAME:ARCH VERSION, or DATE TIME remove NAME:ARCH VERSION <none>
    if (line.size() < kTimeBytes || line.substr(0, kTimeBytes) < since) continue;
    const auto words = words_of(line);
    const bool put_in = words.size() == 6 && words[2] == "status" && words[3] == "installed";
    const bool taken_out = words.size() >= 5 && (words[2] == "remove" || words[2] == "purge");
    if (!put_in && !taken_out) continue;
    const auto named = put_in ? words[4] : words[3];
    std::string name(named.substr(0, named.find(':')));
    std::erase_if(changed, [&](const auto& entry) { return entry.first == name; });
    changed.emplace_back(std::move(name), put_in ? std::string(words[5]) : "removed");
  }
  std::string text;
  for (size_t i = changed.size(); i > 0; --i) {
    const auto& [name, now] = changed[i - 1];
    if (text.size() + name.size() + now.size() + kRoomForRest > fact::kValueBytes)
      return text + fmt::format(" and {} more", i);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, now);
  }
  return text;
}

const FactPairs* HostFacts::look(const Moment& now, bool hurry) {
  const uint64_t least_us = hurry ? kLeastLookUs : kLookUs;
  if (looked_us_ && now.boot_us - *looked_us_ < least_us) return nullptr;
  looked_us_ = now.boot_us;
  facts_.clear();
  read_hardware();
  read_settings();
  read_packages(now);
  return &facts_;
}

void HostFacts::read_hardware() {
  if (hardware_.empty()) {  // none of it changes without a boot
    const auto model = parse_cpu_model(head_of(roots_.proc / "cpuinfo"));
    hardware_.emplace_back("cpu.model",
                           model.empty() ? fact::absent("/proc/cpuinfo names none") : model);
    add_file_fact(hardware_, "kernel.release", roots_.proc / "sys/kernel/osrelease", as_it_is);
    add_file_fact(hardware_, "boot.id", roots_.proc / "sys/kernel/random/boot_id", as_it_is);
  }
  facts_ = hardware_;
  // CPUs and memory of a virtual machine may come and go.
  add_file_fact(facts_, "cpu.online", roots_.sys / "devices/system/cpu/online", as_it_is);
  add_file_fact(facts_, "memory.total", roots_.proc / "meminfo", parse_memory_total);
}

void HostFacts::read_settings() {
  for (const auto setting : kSettings) {
    std::string path(setting);
    std::ranges::replace(path, '.', '/');
    const auto file = roots_.proc / "sys" / path;
    // A kernel or container without a setting has no such file: that is no trouble of the agent's.
    if (::access(file.c_str(), F_OK) != 0) continue;
    add_file_fact(facts_, fmt::format("sysctl.{}", setting), file, as_it_is);
  }
  const auto huge = roots_.sys / "kernel/mm/transparent_hugepage/enabled";
  if (::access(huge.c_str(), F_OK) == 0)
    add_file_fact(facts_, "kernel.transparent_hugepage", huge, parse_chosen);
}

std::optional<HostFacts::Stamp> HostFacts::stamp_of(const std::filesystem::path& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return std::nullopt;
  return Stamp{found.st_dev, found.st_ino, found.st_size,
               int64_t{found.st_mtim.tv_sec} * 1'000'000 + found.st_mtim.tv_nsec / 1000};
}

void HostFacts::read_packages(const Moment& now) {
  constexpr uint64_t kAgainUs = 3'600'000'000;  // "recent" ends by itself
  auto status = roots_.var / "lib/dpkg/status";
  auto stamp = stamp_of(status);
  for (const char* rpm : {"lib/rpm/rpmdb.sqlite", "lib/rpm/Packages"}) {
    if (!stamp) stamp = stamp_of(status = roots_.var / rpm);
  }
  const bool same =
      stamp == packages_stamp_ && !packages_.empty() && now.boot_us - packages_us_ < kAgainUs;
  if (!same) {
    packages_stamp_ = stamp;
    packages_us_ = now.boot_us;
    packages_.clear();
    if (!stamp) {
      packages_.emplace_back("package.hash", fact::absent("no package database was found"));
    } else {
      packages_.emplace_back("package.changed_at", utc(stamp->changed_us, "%Y-%m-%dT%H:%M:%SZ"));
      const bool dpkg = status.filename() == "status";
      const auto text =
          dpkg ? read_file(status, kMostStatusBytes) : Result<std::string>(std::string{});
      if (!text)
        packages_.emplace_back("package.hash", fact::absent(text.error().message));
      else if (dpkg)
        packages_.emplace_back("package.hash", hash_of_dpkg_status(*text));
      else
        packages_.emplace_back("package.hash", fmt::format("{}B", stamp->bytes));
      const auto log = roots_.var / "log/dpkg.log";
      if (const auto log_stamp = stamp_of(log); dpkg && log_stamp) {
        const auto since = local(now.wall_us - static_cast<int64_t>(kRecentSeconds * 1e6));
        packages_.emplace_back("package.recent",
                               recent_packages(tail_of(log, log_stamp->bytes), since));
      }
    }
  }
  facts_.insert(facts_.end(), packages_.begin(), packages_.end());
}

}  // namespace serin::agent
