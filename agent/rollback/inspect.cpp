#include "agent/rollback/inspect.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/rollback/build_id.h"
#include "agent/rollback/installed.h"
#include "agent/rollback/link.h"
#include "agent/rollback/locate.h"
#include "common/file.h"
#include "common/ids.h"

namespace serin::helper {
namespace {

constexpr int64_t kAmbiguousUs =
    50'000;  // CONTRACTS §4: a change this close to the start tells nothing
constexpr size_t kMostVersionFileBytes = 4096;

int64_t ctime_us(const struct stat& facts) {
  return int64_t{facts.st_ctim.tv_sec} * kSecondUs + facts.st_ctim.tv_nsec / 1000;
}

/// What stands where the service's file says that the version is selected, and since when.
struct Selected {
  std::string version{};  ///< empty when it cannot be told
  int64_t changed_us = 0;
  std::optional<InstalledPackage> package = std::nullopt;  ///< that it is the version of
  std::string doubt{};  ///< why it cannot be told, where that is known
};

Selected selected_by_link(const std::filesystem::path& link,
                          const std::optional<Releases>& releases) {
  if (releases) {
    const auto value = read_link(link, *releases);
    return value ? Selected{value->release, value->changed_us} : Selected{};
  }
  struct stat facts{};
  std::error_code error;
  const auto name =
      std::filesystem::read_symlink(link, error).lexically_normal().filename().native();
  if (error || ::lstat(link.c_str(), &facts) != 0 || !is_release_name(name)) return {};
  return {name, ctime_us(facts)};
}

Selected selected_by_file(const std::filesystem::path& path) {
  struct stat facts{};
  const auto text = read_file(path, kMostVersionFileBytes);
  if (!text || ::stat(path.c_str(), &facts) != 0) return {};
  std::string version = text->substr(0, text->find('\n'));
  while (!version.empty() && (version.back() == ' ' || version.back() == '\r')) version.pop_back();
  if (!is_version(version)) return {};
  return {version, ctime_us(facts)};
}

/// While dpkg replaces its files there is no version.
Selected selected_by_package(const std::string& name, const Settings& settings,
                             const Clock& clock) {
  auto installed = installed_package(name, settings, clock);
  if (!installed) return {.doubt = installed.error().message};
  if (!*installed) return {.doubt = fmt::format("package {} is not installed", name)};
  if (!(*installed)->whole) {
    return {.doubt = fmt::format(
                "dpkg is replacing the files of {}, or was cut off while it did: where it is not "
                "at work, run dpkg --configure -a",
                name)};
  }
  if (!is_version((*installed)->version)) return {};
  return {(*installed)->version, (*installed)->changed_us, std::move(*installed), {}};
}

Selected selected_of(const ServiceFile& service, const std::optional<Releases>& releases,
                     const Settings& settings, const Clock& clock) {
  if (const auto* package = package_of(service)) {
    return selected_by_package(*package, settings, clock);
  }
  if (const auto link = link_of(service); !link.empty()) return selected_by_link(link, releases);
  if (const auto* file = std::get_if<ServiceFile::VersionFile>(&service.version)) {
    return selected_by_file(file->path);
  }
  return {};
}

int64_t started_us(const Process& process, const Clock& clock) {
  const auto ticks_per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  const uint64_t after_boot = process.start_ticks * uint64_t{kSecondUs} / ticks_per_second;
  return clock.wall_us() - clock.boot_us() + static_cast<int64_t>(after_boot);
}

std::string artefact_of(const std::filesystem::path& path) {
  if (auto id = build_id(path)) return *id;
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return {};
  return fmt::format("{}:{}:{}", facts.st_dev, facts.st_ino, ctime_us(facts));
}

/// The kernel's own word: executable, else working directory, below the releases folder.
bool version_by_kernel(Running& running, const Releases& releases, const Settings& settings) {
  for (const char* link : {"exe", "cwd"}) {
    const auto path = process_link(settings.proc, running.process.pid, link);
    if (!path) continue;
    const auto place = releases.place_of(*path);
    if (!place) continue;
    running.version = place->release;
    running.from_release = true;
    running.artefact = artefact_of(settings.proc / std::to_string(running.process.pid) / link);
    return true;
  }
  return false;
}

/// The file that runs is the file that the package has put there: its version, whatever the times
/// say. Otherwise an earlier one runs, and which cannot be told.
bool version_by_file(Running& running, const InstalledPackage& package, const Settings& settings) {
  const auto path = process_link(settings.proc, running.process.pid, "exe");
  if (!path || !package.holds(*path)) return false;
  struct stat there{};
  struct stat runs{};
  const auto magic = settings.proc / std::to_string(running.process.pid) / "exe";
  const bool same = ::stat(path->c_str(), &there) == 0 && ::stat(magic.c_str(), &runs) == 0 &&
                    there.st_dev == runs.st_dev && there.st_ino == runs.st_ino;
  if (same)
    running.version = package.version;
  else
    running.doubt = "the package was changed after the process started";
  return true;
}

void version_as_selected(Running& running, const Selected& selected, const Clock& clock) {
  if (selected.version.empty()) {
    running.doubt =
        selected.doubt.empty()
            ? "nothing tells the version: no release folder, link or file of the service's own"
            : selected.doubt;
    return;
  }
  const int64_t started = started_us(running.process, clock);
  if (selected.changed_us <= started - kAmbiguousUs) {
    running.version = selected.version;
  } else if (selected.changed_us < started + kAmbiguousUs) {
    running.doubt = "the selected version changed within 50 ms of the process's start";
  } else {
    running.doubt =
        "the selected version changed after the process started, and the executable does not tell "
        "which one it is of";
  }
}

Running running_of(const Located& located, const ServiceFile& service,
                   const std::optional<Releases>& releases, const Selected& selected,
                   const Settings& settings, const Clock& clock) {
  Running running{.process = located.process, .generation = located.generation};
  const bool by_package = package_of(service) != nullptr;
  if (!by_package && releases && version_by_kernel(running, *releases, settings)) return running;
  const auto exe = settings.proc / std::to_string(located.process.pid) / "exe";
  running.artefact = artefact_of(exe);
  if (selected.package && version_by_file(running, *selected.package, settings)) return running;
  const bool by_build_id = std::holds_alternative<ServiceFile::VersionBuildId>(service.version);
  if (by_build_id && link_of(service).empty()) {
    if (auto id = build_id(exe))
      running.version = *id;
    else
      running.doubt = "the executable has no build-id";
    return running;
  }
  version_as_selected(running, selected, clock);
  return running;
}

}  // namespace

std::optional<Releases> releases_of(const ServiceFile& service) {
  const auto open = [](const std::filesystem::path& folder) -> std::optional<Releases> {
    auto releases = Releases::open(folder);
    return releases ? std::optional(std::move(*releases)) : std::nullopt;
  };
  for (const auto& entry : service.rollback) {
    if (entry.releases.empty()) continue;
    if (auto releases = open(entry.releases)) return releases;
  }
  const auto* symlink = std::get_if<ServiceFile::VersionSymlink>(&service.version);
  if (symlink == nullptr) return std::nullopt;
  std::error_code error;
  const auto target = std::filesystem::read_symlink(symlink->link, error);
  if (error) return std::nullopt;
  return open((symlink->link.parent_path() / target).lexically_normal().parent_path());
}

const std::string* package_of(const ServiceFile& service) {
  const auto* package = std::get_if<ServiceFile::VersionPackage>(&service.version);
  return package == nullptr ? nullptr : &package->name;
}

std::filesystem::path link_of(const ServiceFile& service) {
  if (const auto* symlink = std::get_if<ServiceFile::VersionSymlink>(&service.version)) {
    return symlink->link;
  }
  for (const auto& entry : service.rollback) {
    if (!entry.link.empty()) return entry.link;
  }
  return {};
}

Result<Inspection> inspect(const ServiceFile& service, const Settings& settings,
                           const Clock& clock) {
  const auto located = locate(service, settings, clock);
  if (!located) return std::unexpected(located.error());
  const auto releases = releases_of(service);
  const auto selected = selected_of(service, releases, settings, clock);
  Inspection seen{
      .running = std::nullopt, .selected = selected.version, .changed_us = selected.changed_us};
  for (const Located& each : *located) {
    auto running = running_of(each, service, releases, selected, settings, clock);
    if (!seen.running) {
      seen.running = std::move(running);
    } else if (seen.running->version != running.version) {
      seen.running->doubt =
          fmt::format("{} and {} run side by side", seen.running->version, running.version);
    }
  }
  if (seen.changed_us == 0 && seen.running) {
    struct stat facts{};
    const auto exe = settings.proc / std::to_string(seen.running->process.pid) / "exe";
    if (::stat(exe.c_str(), &facts) == 0) seen.changed_us = ctime_us(facts);
  }
  return seen;
}

}  // namespace serin::helper
