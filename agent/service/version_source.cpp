#include "agent/service/version_source.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>

#include "common/file.h"
#include "common/ids.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxVersionFileBytes = 4096;
constexpr int kTries = 3;  // a link that changes between two looks at it

int64_t ctime_ns(const struct stat& info) {
  return info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec;
}

std::string trimmed_line(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

/// `target` as the link means it, without following anything.
fs::path meant_by(const fs::path& link, const fs::path& target) {
  auto whole = (target.is_absolute() ? target : link.parent_path() / target).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

}  // namespace

Result<VersionValue> read_version_link(const fs::path& link, const fs::path& releases) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    struct stat before{}, after{};
    std::error_code error;
    if (::lstat(link.c_str(), &before) != 0)
      return fail(fmt::format("{}: {}", link.string(), errno_text(errno)));
    if (!S_ISLNK(before.st_mode))
      return fail(fmt::format("{}: is not a symbolic link", link.string()));
    auto target = meant_by(link, fs::read_symlink(link, error));
    if (error || ::lstat(link.c_str(), &after) != 0) continue;
    if (before.st_ino != after.st_ino || ctime_ns(before) != ctime_ns(after)) continue;
    auto below = target.lexically_relative(releases.lexically_normal());
    bool inside =
        !releases.empty() && !below.empty() && *below.begin() != ".." && *below.begin() != ".";
    std::string version = inside ? below.begin()->string() : target.filename().string();
    if (!is_release_name(version))
      return fail(fmt::format("{}: leads to {}, whose name cannot be a version", link.string(),
                              target.string()));
    return VersionValue{.version = std::move(version), .since_us = ctime_ns(after) / 1000};
  }
  return fail(fmt::format("{}: changes faster than it can be read", link.string()));
}

Result<VersionValue> read_version_file(const fs::path& file) {
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0)
    return fail(fmt::format("{}: {}", file.string(), errno_text(errno)));
  if (!S_ISREG(info.st_mode)) return fail(fmt::format("{}: is not a regular file", file.string()));
  auto text = read_all(fd.get(), kMaxVersionFileBytes, file.string());
  if (!text) return std::unexpected(text.error());
  std::string version = trimmed_line(*text);
  if (!is_version(version))
    return fail(fmt::format("{}: its first line is not a version", file.string()));
  return VersionValue{.version = std::move(version), .since_us = ctime_ns(info) / 1000};
}

Result<VersionValue> read_version_package(const std::string& name, const fs::path& dpkg) {
  auto package = dpkg_package(name, dpkg);
  if (!package) return std::unexpected(package.error());
  if (!*package) return fail(fmt::format("package {} is not installed", name));
  if (!(*package)->whole()) {
    return fail(fmt::format("package {} is being replaced (dpkg: {})", name, (*package)->state));
  }
  return VersionValue{.version = std::move((*package)->version),
                      .since_us = (*package)->changed_us};
}

VersionSource::VersionSource(const ServiceFile& service, fs::path dpkg) : dpkg_(std::move(dpkg)) {
  if (const auto* symlink = std::get_if<ServiceFile::VersionSymlink>(&service.version)) {
    path_ = symlink->link;
    is_link_ = true;
  } else if (const auto* file = std::get_if<ServiceFile::VersionFile>(&service.version)) {
    path_ = file->path;
  } else if (const auto* package = std::get_if<ServiceFile::VersionPackage>(&service.version)) {
    follow_package(package->name);
    return;  // a folder of releases would name versions in words of its own
  }
  for (const auto& rollback : service.rollback) {
    if (rollback.releases.empty()) continue;
    releases_ = rollback.releases;
    if (path_.empty() && !rollback.link.empty()) {
      path_ = rollback.link;
      is_link_ = true;
    }
    break;
  }
}

void VersionSource::follow_package(const std::string& name) {
  std::error_code error;
  package_ = name;
  if (!fs::exists(dpkg_ / "status", error)) return;
  path_ = dpkg_list(name, dpkg_);
  if (path_.empty()) path_ = dpkg_ / "info" / (name + ".list");
}

std::optional<VersionSource::Seen> VersionSource::glance() const {
  struct stat info{};
  int outcome = is_link_ ? ::lstat(path_.c_str(), &info) : ::stat(path_.c_str(), &info);
  if (outcome != 0) return std::nullopt;
  Seen seen{.inode = info.st_ino, .ctime_ns = ctime_ns(info)};
  // dpkg says what it did some time after it did it.
  if (!package_.empty() && ::stat((dpkg_ / "status").c_str(), &info) == 0)
    seen.status_ns = ctime_ns(info);
  return seen;
}

Result<VersionValue> VersionSource::read() const {
  if (!package_.empty()) return read_version_package(package_, dpkg_);
  return is_link_ ? read_version_link(path_, releases_) : read_version_file(path_);
}

bool VersionSource::look() {
  if (path_.empty()) return false;
  const auto now = glance();
  if (now && seen_ == now) return false;
  auto value = read();
  problem_ = value ? std::string{} : value.error().message;
  if (!value) {
    seen_.reset();
    return false;
  }
  seen_ = now;
  const VersionValue* last = history_.last();
  bool changed = last == nullptr || last->version != value->version;
  history_.note(std::move(*value));
  return changed;
}

std::string VersionSource::selected() const {
  return problem_.empty() && history_.last() != nullptr ? history_.last()->version : std::string{};
}

fs::path VersionSource::releases() const {
  if (!releases_.empty() || !is_link_) return releases_;
  std::error_code error;
  auto target = fs::read_symlink(path_, error);
  return error ? fs::path{} : meant_by(path_, target).parent_path();
}

}  // namespace serin::agent
