#include "agent/discover/release_folder.h"

#include <algorithm>
#include <array>

#include "agent/probe/text_lines.h"
#include "common/ids.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

bool is_systems_own(const fs::path& path) {
  constexpr std::array<std::string_view, 12> kOwn = {"/usr",   "/bin", "/sbin", "/lib",
                                                     "/lib64", "/etc", "/dev",  "/proc",
                                                     "/sys",   "/run", "/boot", "/snap"};
  const std::string& text = path.native();
  return std::ranges::any_of(kOwn, [&](std::string_view own) {
    return text == own || (text.starts_with(own) && text[own.size()] == '/');
  });
}

std::optional<ReleaseFolder> release_of(const HostTree& tree, const fs::path& link,
                                        const fs::path& target) {
  const std::string name = target.filename().string();
  if (is_systems_own(target) || target.parent_path() == target.root_path()) return std::nullopt;
  if (!is_release_name(name) || !tree.is_folder(target)) return std::nullopt;
  ReleaseFolder found{.link = link,
                      .releases = target.parent_path(),
                      .current = name,
                      .others = {},
                      .dedicated = link.parent_path() != target.parent_path()};
  for (const auto& other : tree.names(found.releases)) {
    const auto path = found.releases / other;
    if (other != name && is_release_name(other) && !tree.link(path) && tree.is_folder(path))
      found.others.push_back(other);
  }
  return found;
}

std::optional<ReleaseFolder> along(const HostTree& tree, const fs::path& path) {
  fs::path prefix;
  for (const auto& part : path.lexically_normal()) {
    prefix /= part;
    if (is_systems_own(prefix)) return std::nullopt;
    auto target = tree.link(prefix);
    if (!target) continue;
    if (auto found = release_of(tree, prefix, *target)) return found;
  }
  return std::nullopt;
}

/// A link to `folder` that lies beside it or beside the folder that holds it.
std::optional<ReleaseFolder> link_to(const HostTree& tree, const fs::path& folder) {
  const auto above = folder.parent_path();
  for (const auto& place : {above.parent_path(), above}) {
    if (place.empty() || place == place.root_path()) continue;
    for (const auto& name : tree.names(place)) {
      auto target = tree.link(place / name);
      if (!target || *target != folder) continue;
      if (auto found = release_of(tree, place / name, *target)) return found;
    }
  }
  return std::nullopt;
}

std::optional<ReleaseFolder> beside(const HostTree& tree, const fs::path& path) {
  for (fs::path folder = path; folder != folder.root_path() && !folder.empty();
       folder = folder.parent_path()) {
    if (is_systems_own(folder)) return std::nullopt;
    if (auto found = link_to(tree, folder)) return found;
  }
  return std::nullopt;
}

/// The absolute paths among the words of a command line as systemd has it.
void add_paths(std::string_view line, std::vector<fs::path>& paths) {
  while (!line.empty()) {
    const size_t end = std::min(line.find_first_of(" \t\""), line.size());
    auto word = line.substr(0, end);
    // Signs before a program: ignore failure, no arguments, full privileges …
    word.remove_prefix(std::min(word.find_first_not_of("-@:+!="), word.size()));
    if (word.starts_with('/')) paths.emplace_back(word);
    line.remove_prefix(std::min(end + 1, line.size()));
  }
}

void read_unit_file(const HostTree& tree, const fs::path& file, std::vector<fs::path>& paths) {
  auto text = tree.text(file);
  if (!text) return;
  each_line(*text, [&](std::string_view line) {
    for (std::string_view key : {"ExecStart=", "WorkingDirectory="})
      if (line.starts_with(key)) add_paths(line.substr(key.size()), paths);
  });
}

}  // namespace

std::vector<fs::path> unit_paths(const HostTree& tree, const std::string& unit) {
  std::vector<std::string> names{unit};
  if (const size_t at = unit.find('@'); at != std::string::npos)
    names.push_back(unit.substr(0, at + 1) + ".service");
  std::vector<fs::path> paths;
  for (const fs::path folder : {"/etc/systemd/system", "/run/systemd/system",
                                "/usr/lib/systemd/system", "/lib/systemd/system"}) {
    for (const auto& name : names) {
      read_unit_file(tree, folder / name, paths);
      for (const auto& drop_in : tree.matching(folder / (name + ".d") / "*.conf"))
        read_unit_file(tree, drop_in, paths);
    }
  }
  return paths;
}

std::optional<ReleaseFolder> find_release_folder(const HostTree& tree,
                                                 const std::vector<fs::path>& written,
                                                 const std::vector<fs::path>& resolved) {
  for (const auto& path : written)
    if (auto found = along(tree, path)) return found;
  for (const auto& path : resolved)
    if (auto found = beside(tree, path)) return found;
  return std::nullopt;
}

}  // namespace serin::agent
