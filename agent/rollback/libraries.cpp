#include "agent/rollback/libraries.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "agent/rollback/build_id.h"
#include "common/file.h"
#include "schema/limits.h"
#include "schema/text.h"

namespace serin::helper {
namespace {

constexpr size_t kMostMapsBytes = size_t{4} * 1024 * 1024;  // some 40,000 mappings
constexpr size_t kFieldsBeforePath = 5;                     // address perms offset dev inode
constexpr std::string_view kDeleted = " (deleted)";

/// Takes the next field of a line that blanks separate.
std::string_view next_field(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const size_t end = std::min(line.find(' ', begin), line.size());
  const auto field = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return field;
}

bool is_memory(std::string_view path) {
  return path.starts_with("/memfd:") || path.starts_with("/dev/") || path.starts_with("/SYSV") ||
         path.starts_with("/anon_hugepage") || path.starts_with("/[");
}

bool is_systems(std::string_view path) {
  return path.starts_with("/lib") || path.starts_with("/usr/lib") ||
         path.starts_with("/usr/local/lib");
}

bool is_outside(const std::string& path, const std::optional<Releases>& releases) {
  return releases ? !releases->place_of(path) : is_systems(path);
}

/// The build-id of a file below `root`; where there is none, its size.
std::string id_of(int root, const std::string& path) {
  if (path.ends_with(kDeleted)) return "replaced";
  const auto file = open_beneath(root, path.substr(1), O_PATH);
  struct stat found{};
  if (!file || ::fstat(file->get(), &found) != 0 || !S_ISREG(found.st_mode)) return "unreadable";
  // Only a regular file is opened: a service may map what it likes.
  if (auto id = build_id(fmt::format("/proc/self/fd/{}", file->get())))
    return id->substr(0, limits::kLibraryIdBytes);
  return fmt::format("{}B", found.st_size);
}

std::string base_name(std::string path) {
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return plain_text(path.substr(path.rfind('/') + 1), limits::kLibraryNameBytes);
}

}  // namespace

std::vector<std::string> executable_files(std::string_view maps) {
  std::vector<std::string> files;
  while (!maps.empty()) {
    std::string_view line = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(line.size() + 1, maps.size()));
    next_field(line);
    const std::string_view permissions = next_field(line);
    for (size_t i = 2; i < kFieldsBeforePath; ++i) next_field(line);
    const std::string_view path = line.substr(std::min(line.find_first_not_of(' '), line.size()));
    const bool executable = permissions.size() >= 3 && permissions[2] == 'x';
    if (executable && path.starts_with('/') && !is_memory(path)) files.emplace_back(path);
  }
  std::ranges::sort(files);
  files.erase(std::ranges::unique(files).begin(), files.end());
  return files;
}

MappedLibraries mapped_libraries(const Settings& settings, const Running& running,
                                 const std::optional<Releases>& releases) {
  const auto process = settings.proc / std::to_string(running.process.pid);
  const auto maps = read_file(process / "maps", kMostMapsBytes);
  if (!maps) return {.known = false, .problem = maps.error().message};
  const UniqueFd root(::open((process / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root)
    return {.known = false,
            .problem = fmt::format("{}/root: {}", process.native(), errno_text(errno))};
  const auto own = process_link(settings.proc, running.process.pid, "exe");
  std::map<std::string, std::string> ids;  // by name: two of one name are shown as one
  for (const std::string& path : executable_files(*maps)) {
    if (own && *own == path) continue;
    if (!is_outside(path, releases)) continue;
    std::string& id = ids[base_name(path)];
    const std::string found = id_of(root.get(), path);
    id = id.empty() || id == found ? found : "several";
  }
  MappedLibraries libraries{.known = true};
  for (const auto& [name, id] : ids) {
    if (libraries.list.size() < limits::kLibraries)
      libraries.list.push_back({name, id});
    else
      ++libraries.left_out;
  }
  return libraries;
}

}  // namespace serin::helper
