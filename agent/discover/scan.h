#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discover/host_tree.h"

namespace serin::agent {

/// Where a process stands in systemd's tree.
struct UnitPlace {
  std::string unit;              ///< "api.service"; empty: in no service
  std::string group;             ///< the whole path, for messages
  std::optional<uint32_t> user;  ///< the unit of this user's own manager, not of the host's
};

/// From /proc/PID/cgroup, version 2 or systemd's own hierarchy: the deepest service, whatever
/// slices and scopes are around and below it.
UnitPlace unit_place(std::string_view cgroup_text);

/// One port that a unit listens on.
struct OpenPort {
  std::string address;
  uint16_t port = 0;
  [[nodiscard]] std::string text() const;  ///< "127.0.0.1:80", "[::]:80"
  /// Where a program on this host reaches it, as part of a URL.
  [[nodiscard]] std::string url_host() const;
};

/// A unit that listens, as its oldest process shows it.
struct FoundUnit {
  std::string unit;
  std::optional<uint32_t> user;
  int32_t pid = 0;
  std::filesystem::path exe, cwd;  ///< empty where they may not be read
  std::vector<std::string> argv;
  std::vector<OpenPort> ports;
  [[nodiscard]] std::string program() const { return exe.filename().string(); }
};

struct Scan {
  struct Note {
    std::string what, why;
  };
  std::vector<FoundUnit> units;  ///< by name
  std::vector<Note> left_out;    ///< what listens too and gets no proposal
};

struct ScanOptions {
  enum class Infrastructure { left_out, included } infrastructure = Infrastructure::left_out;
};

/// Looks once at who listens on TCP. Everything that does is in one of the two lists.
Scan scan_units(const HostTree& tree, const ScanOptions& options);

}  // namespace serin::agent
