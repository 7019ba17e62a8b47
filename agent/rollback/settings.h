#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace serin::helper {

/// Where a host keeps its packages, and what changes them.
struct PackagePlaces {
  std::filesystem::path dpkg = "/var/lib/dpkg";
  std::filesystem::path archives = "/var/cache/apt/archives";
  std::filesystem::path apt_get = "/usr/bin/apt-get";
  std::filesystem::path apt_cache = "/usr/bin/apt-cache";
  std::filesystem::path dpkg_program = "/usr/bin/dpkg";
  std::filesystem::path dpkg_deb = "/usr/bin/dpkg-deb";
  std::filesystem::path rpm = "/usr/bin/rpm";
  std::filesystem::path dnf = "/usr/bin/dnf";
};

/// Where the root helper finds what root decided, and where it keeps its journal. The same for
/// `--listen`, `--run` and `--resume`: the action is started with the settings of the helper that
/// started it.
struct Settings {
  std::filesystem::path services = "/etc/serin/services.d";
  std::filesystem::path keys = "/etc/serin/keys.d";
  std::filesystem::path state = "/var/lib/serin/rollback";
  std::filesystem::path hold = "/etc/serin";  ///< the folder of `hold` and `hold.d`
  std::string host;                           ///< commands for another host are refused
  std::vector<uid_t> peers;  ///< who may speak, besides root and the helper's own user
  std::filesystem::path systemctl = "/usr/bin/systemctl";
  std::filesystem::path proc = "/proc";
  PackagePlaces packages;  ///< of every Linux host; a test's own elsewhere
};

/// What the command line asks for.
struct Invocation {
  enum class Task { listen, run, resume };
  Task task = Task::listen;
  std::filesystem::path socket;  ///< listen; empty: the socket that systemd hands over
  std::string service;           ///< run
  Settings settings;
};

/// Reads command line and, where there is one, the configuration file. Prints help, version or what
/// is wrong itself; nullopt then, and the exit status is in `status`.
std::optional<Invocation> read_invocation(int argc, const char* const* argv, int& status);

/// The arguments that give another run of this program the same settings.
std::vector<std::string> arguments_of(const Settings& settings);

}  // namespace serin::helper
