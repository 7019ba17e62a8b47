#include "agent/discover/scan.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "agent/discover/listeners.h"
#include "agent/probe/proc_parse.h"
#include "agent/probe/text_lines.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kService = ".service";
constexpr std::string_view kUserManager = "user@";
constexpr std::string_view kDeleted = " (deleted)";

/// What every host has and nobody deploys releases of.
constexpr std::array<std::string_view, 12> kInfrastructure = {
    "ssh.service",          "sshd.service",   "rpcbind.service",   "cups.service",
    "avahi-daemon.service", "chrony.service", "chronyd.service",   "exim4.service",
    "postfix.service",      "snmpd.service",  "rpc-statd.service", "cups-browsed.service"};

std::string why_left_out(const std::string& unit) {
  if (unit.starts_with("serin-")) return "Serin's own";
  if (unit.starts_with("systemd-") || unit.starts_with("dbus")) return "a part of systemd";
  // An instance stands for its template: sshd@1.service.
  const size_t at = unit.find('@');
  const std::string plain =
      at == std::string::npos ? unit : unit.substr(0, at) + std::string(kService);
  if (std::ranges::find(kInfrastructure, plain) != kInfrastructure.end())
    return "part of the host; nobody deploys releases of it";
  return {};
}

std::vector<std::string> split_at_nul(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\0'), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

fs::path process_path(const HostTree& tree, int32_t pid, const char* name) {
  std::error_code error;
  auto text = fs::read_symlink(tree.at(fmt::format("/proc/{}/{}", pid, name)), error).string();
  if (error) return {};
  if (text.ends_with(kDeleted)) text.resize(text.size() - kDeleted.size());
  return text;
}

std::optional<uint64_t> start_of(const HostTree& tree, int32_t pid) {
  auto text = tree.text(fmt::format("/proc/{}/stat", pid));
  auto stat = text ? parse_stat(*text) : std::nullopt;
  return stat ? std::optional(stat->start_ticks) : std::nullopt;
}

UnitPlace place_of(const HostTree& tree, int32_t pid) {
  auto text = tree.text(fmt::format("/proc/{}/cgroup", pid));
  return text ? unit_place(*text) : UnitPlace{};
}

void describe(const HostTree& tree, FoundUnit& unit) {
  unit.exe = process_path(tree, unit.pid, "exe");
  unit.cwd = process_path(tree, unit.pid, "cwd");
  if (auto text = tree.text(fmt::format("/proc/{}/cmdline", unit.pid)))
    unit.argv = split_at_nul(*text);
}

/// Collects who holds what, in one pass over the sockets.
class Collector {
 public:
  Collector(const HostTree& tree, const ScanOptions& options) : tree_(tree), options_(options) {}

  void add(const Listener& listener, const SocketHolders& holders) {
    OpenPort port{.address = listener.address, .port = listener.port};
    auto found = holders.pids.find(listener.inode);
    if (found == holders.pids.end()) {
      return leave(port,
                   holders.hidden == 0
                       ? "held by no process of this namespace"
                       : fmt::format("of user {}: whose it is only root can see: run discover "
                                     "as root",
                                     listener.user));
    }
    auto pids = found->second;
    // For a socket unit systemd holds the socket too, and alone until the first connection.
    if (pids.size() > 1) std::erase(pids, 1);
    if (pids.front() == 1)
      return leave(port,
                   "systemd holds it for a socket unit whose service does not run now: "
                   "systemctl list-sockets");
    for (int32_t pid : pids) add(port, pid);
  }

  Scan take() {
    Scan scan{.units = {}, .left_out = std::move(left_out_)};
    for (auto& [name, unit] : units_) {
      std::string why = options_.infrastructure == ScanOptions::Infrastructure::included
                            ? std::string{}
                            : why_left_out(unit.unit);
      if (!why.empty()) {
        scan.left_out.push_back({unit.unit, std::move(why)});
        continue;
      }
      describe(tree_, unit);
      scan.units.push_back(std::move(unit));
    }
    return scan;
  }

 private:
  void leave(const OpenPort& port, std::string why) {
    left_out_.push_back({"port " + port.text(), std::move(why)});
  }

  void add(const OpenPort& port, int32_t pid) {
    UnitPlace place = place_of(tree_, pid);
    if (place.unit.empty()) {
      auto exe = process_path(tree_, pid, "exe");
      return leave(port,
                   fmt::format("process {} ({}) runs in no service{}: a service file can name "
                               "it by exe or pid_file",
                               pid, exe.empty() ? "unknown" : exe.string(),
                               place.group.empty() ? "" : ", but in " + place.group));
    }
    auto& unit = units_[{place.unit, place.user.value_or(0)}];
    unit.unit = place.unit;
    unit.user = place.user;
    if (unit.pid == 0 || is_older(pid, unit.pid)) unit.pid = pid;
    const bool known = std::ranges::any_of(unit.ports, [&](const OpenPort& other) {
      return other.port == port.port && other.address == port.address;
    });
    if (!known) unit.ports.push_back(port);
  }

  [[nodiscard]] bool is_older(int32_t pid, int32_t than) const {
    auto first = start_of(tree_, pid), second = start_of(tree_, than);
    return first && second && (*first < *second || (*first == *second && pid < than));
  }

  const HostTree& tree_;
  const ScanOptions& options_;
  std::map<std::pair<std::string, uint32_t>, FoundUnit> units_;
  std::vector<Scan::Note> left_out_;
};

}  // namespace

UnitPlace unit_place(std::string_view text) {
  UnitPlace place;
  each_line(text, [&](std::string_view line) {
    constexpr std::string_view kSystemd = ":name=systemd:";
    std::string_view group;
    if (line.starts_with("0::")) group = line.substr(3);
    if (const size_t named = line.find(kSystemd); named != std::string_view::npos)
      group = line.substr(named + kSystemd.size());
    // A hybrid host has both, and the empty one says nothing.
    if (group.size() > place.group.size()) place.group = group;
  });
  for (const auto& part : fs::path(place.group)) {
    const std::string& name = part.native();
    if (!name.ends_with(kService)) continue;
    place.unit = name;
    if (!name.starts_with(kUserManager)) continue;
    auto number = parse_number(std::string_view(name).substr(
        kUserManager.size(), name.size() - kUserManager.size() - kService.size()));
    if (!number) continue;
    place.user = static_cast<uint32_t>(*number);
    place.unit.clear();  // the manager itself is no service that anybody deploys
  }
  return place;
}

std::string OpenPort::text() const {
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

std::string OpenPort::url_host() const {
  if (address == "0.0.0.0" || address == "::") return fmt::format("127.0.0.1:{}", port);
  return text();
}

Scan scan_units(const HostTree& tree, const ScanOptions& options) {
  std::vector<Listener> listeners;
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    auto text = tree.text(file);  // a host without IPv6 has no tcp6
    if (!text) continue;
    for (auto& listener : parse_listeners(*text)) listeners.push_back(std::move(listener));
  }
  std::ranges::sort(listeners, {},
                    [](const Listener& one) { return std::pair(one.port, one.address.size()); });
  const auto holders = find_holders(tree, listeners);
  Collector collector(tree, options);
  for (const auto& listener : listeners) collector.add(listener, holders);
  return collector.take();
}

}  // namespace serin::agent
