#include "agent/discover/host_tree.h"

#include <fnmatch.h>

#include <algorithm>

#include "common/file.h"

namespace serin::agent {

namespace fs = std::filesystem;

fs::path HostTree::at(const fs::path& path) const {
  return root_ / path.relative_path();
}

Result<std::string> HostTree::text(const fs::path& path) const {
  return read_file(at(path), kMostTextBytes);
}

std::optional<fs::path> HostTree::link(const fs::path& path) const {
  std::error_code error;
  auto target = fs::read_symlink(at(path), error);
  if (error) return std::nullopt;
  auto whole = (target.is_absolute() ? target : path.parent_path() / target).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

bool HostTree::is_folder(const fs::path& path) const {
  std::error_code error;
  return fs::is_directory(at(path), error);
}

bool HostTree::is_file(const fs::path& path) const {
  std::error_code error;
  return fs::is_regular_file(at(path), error);
}

std::vector<std::string> HostTree::names(const fs::path& folder) const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(at(folder), error), end;
       !error && it != end && names.size() < kMostNames; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<fs::path> HostTree::matching(const fs::path& pattern) const {
  std::vector<fs::path> found{"/"};
  for (const auto& part : pattern.relative_path()) {
    std::vector<fs::path> next;
    const bool plain = part.native().find_first_of("*?[") == std::string::npos;
    for (const auto& folder : found) {
      if (plain) {
        next.push_back(folder / part);
        continue;
      }
      for (const auto& name : names(folder))
        if (::fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0) next.push_back(folder / name);
    }
    found = std::move(next);
  }
  std::erase_if(found, [this](const fs::path& path) { return !is_file(path); });
  return found;
}

}  // namespace serin::agent
