#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "agent/rollback/package_tool.h"
#include "agent/rollback/room.h"
#include "agent/rollback/trust.h"
#include "common/file.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLookAgainUs = 100'000;
constexpr int64_t kAskUs = 30 * kSecondUs;  // apt reads all its lists for an answer
constexpr uint64_t kReserveBytes = uint64_t{16} * 1024 * 1024;  // beside the unpacked files
constexpr size_t kMostNameBytes = 64;

/// Nobody is there to answer; services are the restart's to touch, not a maintainer script's (what
/// calls systemctl finds it offline); needrestart would restart others'.
std::vector<std::string> environment() {
  return {"DEBIAN_FRONTEND=noninteractive",
          "DEBIAN_PRIORITY=critical",
          "APT_LISTCHANGES_FRONTEND=none",
          "NEEDRESTART_SUSPEND=1",
          "UCF_FORCE_CONFFOLD=1",
          "SYSTEMD_OFFLINE=1",
          "LC_ALL=C",
          "HOME=/root"};
}

int64_t seconds_left(int64_t deadline_boot_us, const Clock& clock) {
  return std::max<int64_t>((deadline_boot_us - clock.boot_us()) / kSecondUs, 1);
}

/// apt-get with everything decided beforehand: conffiles stay as they are, nothing is removed for
/// it.
ProgramRun apt_get(const std::vector<std::string>& wanted, std::vector<std::string> options,
                   int64_t deadline_boot_us, const Settings& settings, const Clock& clock) {
  ProgramRun run{.argv = {settings.packages.apt_get.native(), "-q", "-y"},
                 .environment = environment(),
                 .deadline_boot_us = deadline_boot_us,
                 .before_start = {}};
  const auto timeout = fmt::format("DPkg::Lock::Timeout={}", seconds_left(deadline_boot_us, clock));
  for (const char* option : {"Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold",
                             "Dpkg::Use-Pty=0", timeout.c_str()}) {
    options.insert(options.end(), {"-o", option});
  }
  options.insert(options.end(),
                 {"--no-install-recommends", "--no-remove", "--allow-downgrades", "install", "--"});
  run.argv.insert(run.argv.end(), options.begin(), options.end());
  run.argv.insert(run.argv.end(), wanted.begin(), wanted.end());
  return run;
}

/// The process that holds one of dpkg's or apt's locks; 0 when none does.
pid_t holder_of(const fs::path& lock) {
  const UniqueFd fd(::open(lock.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct flock query{};
  query.l_type = F_WRLCK;
  query.l_whence = SEEK_SET;
  if (!fd || ::fcntl(fd.get(), F_GETLK, &query) != 0 || query.l_type == F_UNLCK) return 0;
  return query.l_pid;
}

pid_t holder(const Settings& settings) {
  for (const auto& lock : {settings.packages.dpkg / "lock-frontend",
                           settings.packages.dpkg / "lock", settings.packages.archives / "lock"}) {
    if (const pid_t pid = holder_of(lock); pid != 0) return pid;
  }
  return 0;
}

Result<void> wait_for_locks(int64_t deadline_boot_us, const Settings& settings,
                            const Clock& clock) {
  for (;;) {
    const pid_t pid = holder(settings);
    if (pid == 0) return {};
    if (clock.boot_us() >= deadline_boot_us) {
      auto name = read_file(fmt::format("/proc/{}/comm", pid), kMostNameBytes).value_or("");
      name = name.substr(0, name.find('\n'));
      return fail(fmt::format("process {} ({}) holds dpkg's lock", pid, name));
    }
    clock.pause_us(kLookAgainUs);
  }
}

/// The package's file in apt's cache, where root alone may have put it; empty when it is not there.
std::string cached_file(const std::string& name, const std::string& version,
                        const Settings& settings, const Clock& clock) {
  const auto installed = installed_package(name, settings, clock);
  if (!installed || !*installed || !check_owned_way(settings.packages.archives)) return {};
  std::string escaped;
  for (const char c : version) escaped += c == ':' ? std::string("%3a") : std::string(1, c);
  for (const auto& architecture : {(*installed)->architecture, std::string("all")}) {
    auto file =
        settings.packages.archives / fmt::format("{}_{}_{}.deb", name, escaped, architecture);
    if (check_owned_file(file)) return file.native();
  }
  return {};
}

/// "api" of "api:amd64".
std::string_view bare(std::string_view name) {
  return name.substr(0, name.find(':'));
}

/// What a simulation tells: `Inst api [2.0] (1.0 local:stable [all])` for each package it would put
/// there, `Remv …` for each it would take away. It may change the named packages, to this version,
/// and bring new ones; others that are installed are not a rollback's to change.
Result<void> judge_simulation(std::string_view said, const PackageJob& job) {
  while (!said.empty()) {
    const auto line = said.substr(0, said.find('\n'));
    said.remove_prefix(std::min(line.size() + 1, said.size()));
    const bool removes = line.starts_with("Remv ");
    if (!removes && !line.starts_with("Inst ")) continue;
    const auto rest = line.substr(5);
    const auto name = bare(rest.substr(0, rest.find(' ')));
    const bool ours = std::ranges::find(job.names, name) != job.names.end();
    const size_t bracket = rest.find(" (");
    const bool replaces = rest.substr(0, bracket).find(" [") != std::string_view::npos;
    if (removes) return fail(fmt::format("apt would remove {}", name));
    if (!ours && replaces) return fail(fmt::format("apt would change {} too: {}", name, line));
    if (ours && (bracket == std::string_view::npos ||
                 !rest.substr(bracket + 2).starts_with(job.version + " "))) {
      return fail(fmt::format("apt would take another version: {}", line));
    }
  }
  return {};
}

Result<void> simulate(const PackagePlan& plan, const Settings& settings, const Clock& clock) {
  const auto said = hear_tool(
      apt_get(plan.wanted, {"--simulate"}, clock.boot_us() + kAskUs, settings, clock), clock);
  if (!said) return std::unexpected(said.error());
  return judge_simulation(*said, plan.job);
}

/// The number behind `Installed-Size: `, in bytes; 0 when it is not told.
uint64_t installed_bytes(std::string_view said) {
  constexpr std::string_view kField = "Installed-Size: ";
  const size_t at = said.find(kField);
  if (at == std::string_view::npos) return 0;
  const auto number = said.substr(at + kField.size());
  uint64_t kib = 0;
  std::from_chars(number.data(), number.data() + number.size(), kib);
  return kib * 1024;
}

Result<void> check_unpacked_room(const PackagePlan& plan, const Settings& settings,
                                 const Clock& clock) {
  uint64_t bytes = kReserveBytes;
  for (const auto& wanted : plan.wanted) {
    const bool file = wanted.starts_with('/');
    ProgramRun run{
        .argv = {settings.packages.apt_cache.native(), "show", "--no-all-versions", "--", wanted},
        .environment = environment(),
        .deadline_boot_us = clock.boot_us() + kAskUs,
        .before_start = {}};
    if (file) run.argv = {settings.packages.dpkg_deb.native(), "-I", wanted, "control"};
    bytes += installed_bytes(ask_program(run, clock).value_or(""));
  }
  for (const auto* folder : {"/usr", "/var"}) {
    if (auto room = check_room(folder, bytes); !room) return room;
  }
  return {};
}

/// By name and version, as apt knows them from its lists; else, for a version that the lists do not
/// hold any more, by the file in its cache.
Result<PackagePlan> choose(const PackageJob& job, const Settings& settings, const Clock& clock) {
  PackagePlan plan{.job = job, .wanted = {}, .verb = {}};
  PackagePlan cached = plan;
  bool any = false;
  for (const auto& name : job.names) {
    plan.wanted.push_back(fmt::format("{}={}", name, job.version));
    const auto file = cached_file(name, job.version, settings, clock);
    cached.wanted.push_back(file.empty() ? plan.wanted.back() : file);
    any = any || !file.empty();
  }
  const auto known = simulate(plan, settings, clock);
  if (known) return plan;
  if (any) {
    if (auto possible = simulate(cached, settings, clock); possible) return cached;
  }
  return std::unexpected(known.error());
}

}  // namespace

bool dpkg_was_interrupted(const Settings& settings) {
  if (holder(settings) != 0) return false;
  std::error_code error;
  for (fs::directory_iterator at(settings.packages.dpkg / "updates", error), end;
       !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().native();
    if (std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; }))
      return true;
  }
  return false;
}

Result<PackagePlan> prepare_apt(const PackageJob& job, int64_t deadline_boot_us,
                                const Settings& settings, const Clock& clock) {
  if (auto free = wait_for_locks(deadline_boot_us, settings, clock); !free)
    return std::unexpected(free.error());
  auto plan = choose(job, settings, clock);
  if (!plan) return plan;
  if (auto room = check_unpacked_room(*plan, settings, clock); !room)
    return std::unexpected(room.error());
  const auto fetched = hear_tool(
      apt_get(plan->wanted, {"--download-only"}, deadline_boot_us, settings, clock), clock);
  if (!fetched) return std::unexpected(fetched.error());
  return plan;
}

Result<void> fetch_apt_again(const PackageJob& job, int64_t deadline_boot_us,
                             const Settings& settings, const Clock& clock) {
  for (const auto& name : job.names) {
    if (!cached_file(name, job.version, settings, clock).empty()) continue;
    const auto said =
        hear_tool(apt_get({fmt::format("{}={}", name, job.version)},
                          {"--reinstall", "--download-only"}, deadline_boot_us, settings, clock),
                  clock);
    if (!said) return std::unexpected(said.error());
    if (said->find("is not possible, it cannot be downloaded") != std::string::npos) {
      return fail(fmt::format("{} {} is neither in a repository nor in {}", name, job.version,
                              settings.packages.archives.native()));
    }
  }
  return {};
}

void mend_packages(const PackageJob& job, int64_t deadline_boot_us, const Settings& settings,
                   const Clock& clock) {
  if (job.tool != PackageTool::apt) return;  // rpm's database is never half written
  if (!wait_for_locks(deadline_boot_us, settings, clock) || !dpkg_was_interrupted(settings)) return;
  const ProgramRun mend{.argv = {settings.packages.dpkg_program.native(), "--force-confdef",
                                 "--force-confold", "--configure", "-a"},
                        .environment = environment(),
                        .deadline_boot_us = deadline_boot_us,
                        .before_start = {}};
  static_cast<void>(hear_tool(mend, clock));
}

Result<void> install_apt(const PackagePlan& plan, const PackageRun& run, const Settings& settings,
                         const Clock& clock) {
  if (auto free = wait_for_locks(run.deadline_boot_us, settings, clock); !free) return free;
  auto install = apt_get(plan.wanted, {}, run.deadline_boot_us, settings, clock);
  install.before_start = run.before_start;
  const auto said = hear_tool(install, clock);
  if (!said) return std::unexpected(said.error());
  return {};
}

}  // namespace serin::helper
