#include "agent/rollback/candidates.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "agent/rollback/clock.h"
#include "agent/rollback/inspect.h"
#include "common/ids.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostEntries = 10'000;  // a folder of deploy users' may hold anything

struct Dated {
  std::string name;
  int64_t changed_us = 0;
};

/// What of this kind lies in a folder, what changed last first.
std::vector<Dated> entries_of(const fs::path& folder, mode_t kind) {
  std::vector<Dated> found;
  std::error_code error;
  size_t looked = 0;
  for (fs::directory_iterator at(folder, error), end; !error && at != end && looked < kMostEntries;
       at.increment(error), ++looked) {
    struct stat facts {};
    if (::lstat(at->path().c_str(), &facts) != 0 || (facts.st_mode & S_IFMT) != kind) continue;
    found.push_back({at->path().filename().native(),
                     int64_t{facts.st_ctim.tv_sec} * kSecondUs + facts.st_ctim.tv_nsec / 1000});
  }
  std::ranges::sort(found, std::greater{}, &Dated::changed_us);
  return found;
}

/// apt writes what a file name should not hold as %XX: the colon of an epoch.
std::string without_escapes(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const bool escaped = text[i] == '%' && i + 2 < text.size();
    if (escaped && std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16).ec == std::errc()) {
      plain += static_cast<char>(value);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// The service's version in "api_1.4.2-1_amd64.deb", where that is a file of this entry's package.
std::optional<std::string> version_in(std::string_view file, const ServiceFile::Rollback& entry) {
  const std::string head = entry.packages.front() + "_";
  const size_t end = file.rfind('_');
  if (!file.starts_with(head) || !file.ends_with(".deb") || end < head.size()) return std::nullopt;
  const auto version = without_escapes(file.substr(head.size(), end - head.size()));
  const auto& [before, after] = entry.package_version;
  const bool ours = version.size() > before.size() + after.size() && version.starts_with(before) &&
                    version.ends_with(after);
  if (!ours) return std::nullopt;
  return version.substr(before.size(), version.size() - before.size() - after.size());
}

std::vector<std::string> in_cache(const ServiceFile& service, const Settings& settings) {
  std::vector<std::string> versions;
  const auto entry = std::ranges::find_if(service.rollback,
                                          [](const auto& each) { return !each.packages.empty(); });
  if (entry == service.rollback.end()) return versions;
  for (const Dated& file : entries_of(settings.packages.archives, S_IFREG)) {
    if (auto version = version_in(file.name, *entry)) versions.push_back(std::move(*version));
  }
  return versions;
}

}  // namespace

std::vector<std::string> versions_there(const ServiceFile& service, const Settings& settings) {
  std::vector<std::string> versions;
  if (package_of(service) != nullptr) {
    versions = in_cache(service, settings);
  } else if (const auto releases = releases_of(service)) {
    for (auto& folder : entries_of(releases->real_path(), S_IFDIR))
      versions.push_back(std::move(folder.name));
  }
  std::erase_if(versions, [](const std::string& name) { return !is_release_name(name); });
  return versions;
}

}  // namespace serin::helper
