#include "agent/rollback/installed.h"

#include <fmt/core.h>
#include <unistd.h>

#include <charconv>

#include "agent/rollback/program.h"
#include "common/dpkg.h"
#include "common/file.h"

namespace serin::helper {
namespace {

constexpr size_t kMostListBytes = size_t{16} * 1024 * 1024;
constexpr int64_t kAskUs = 5 * kSecondUs;

InstalledPackage from_dpkg(DpkgPackage found) {
  InstalledPackage package{.tool = PackageTool::apt,
                           .version = std::move(found.version),
                           .architecture = std::move(found.architecture),
                           .state = found.state,
                           .whole = found.whole(),
                           .changed_us = found.changed_us,
                           .files = "\n"};
  package.files += read_file(found.list, kMostListBytes).value_or("");
  return package;
}

/// The names of the files, a line each, and last "= VERSION-RELEASE SECONDS".
std::optional<InstalledPackage> from_rpm(const std::string& said) {
  const size_t head = said.rfind("= ");
  if (head == std::string::npos || (head > 0 && said[head - 1] != '\n')) return std::nullopt;
  const auto line = std::string_view(said).substr(head + 2, said.find('\n', head) - head - 2);
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto time = line.substr(blank + 1);
  int64_t seconds = 0;
  const auto [stop, fault] = std::from_chars(time.data(), time.data() + time.size(), seconds);
  if (fault != std::errc() || stop != time.data() + time.size()) return std::nullopt;
  InstalledPackage package{.tool = PackageTool::dnf};
  package.version = line.substr(0, blank);
  package.state = "installed";
  // Whole seconds, and the files are put there after that: the end of the second counts.
  package.changed_us = (seconds + 1) * kSecondUs;
  package.files = "\n" + said.substr(0, head);
  return package;
}

Result<std::optional<InstalledPackage>> ask_rpm(const std::string& name, const Settings& settings,
                                                const Clock& clock) {
  const auto& rpm = settings.packages.rpm;
  if (::access(rpm.c_str(), X_OK) != 0) return std::nullopt;
  constexpr const char* kFormat =
      "[%{FILENAMES}\\n]= %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{INSTALLTIME}\\n";
  const auto said = ask_program({.argv = {rpm.native(), "-q", "--qf", kFormat, "--", name},
                                 .environment = {"LC_ALL=C"},
                                 .deadline_boot_us = clock.boot_us() + kAskUs,
                                 .before_start = {}},
                                clock);
  return said ? from_rpm(*said) : std::nullopt;  // it ends with 1 for what is not installed
}

}  // namespace

bool InstalledPackage::holds(const std::filesystem::path& file) const {
  const auto listed = [&](const std::string& path) {
    return files.find("\n" + path + "\n") != std::string::npos;
  };
  // Where /bin leads to /usr/bin, packages may name either.
  const auto& path = file.native();
  return listed(path) || (path.starts_with("/usr/") && listed(path.substr(4)));
}

bool InstalledPackage::brings(const std::string& name) const {
  return files.find("/" + name + "\n") != std::string::npos;
}

Result<std::optional<InstalledPackage>> installed_package(const std::string& name,
                                                          const Settings& settings,
                                                          const Clock& clock) {
  auto known = dpkg_package(name, settings.packages.dpkg);
  const bool no_dpkg = !std::filesystem::exists(settings.packages.dpkg / "status");
  if (!known && !no_dpkg) return std::unexpected(known.error());
  if (known && *known) return from_dpkg(std::move(**known));
  return ask_rpm(name, settings, clock);
}

}  // namespace serin::helper
