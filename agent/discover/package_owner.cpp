#include "agent/discover/package_owner.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "agent/probe/text_lines.h"
#include "agent/version/child_program.h"
#include "common/dpkg.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr const char* kInfo = "/var/lib/dpkg/info";
constexpr const char* kStatus = "/var/lib/dpkg/status";
constexpr const char* kRpm = "/usr/bin/rpm";
constexpr uint64_t kRpmWithinMs = 5000;
constexpr size_t kMostTogether = 8;  // what a [[rollback]] takes

bool lists(const std::string& text, const std::string& path) {
  const auto line = path + "\n";
  for (size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1))
    if (at == 0 || text[at - 1] == '\n') return true;
  return false;
}

/// "nginx" of "nginx.list" and "libc6:amd64.list".
std::string name_of_list(std::string_view file) {
  file.remove_suffix(std::string_view(".list").size());
  return std::string(file.substr(0, file.find(':')));
}

std::string ask_dpkg(const HostTree& tree, const fs::path& file) {
  const std::string& path = file.native();
  for (const auto& name : tree.names(kInfo)) {
    if (!name.ends_with(".list")) continue;
    auto text = tree.text(fs::path(kInfo) / name);
    if (!text) continue;
    // Where /bin leads to /usr/bin, packages may name either.
    if (lists(*text, path) || (path.starts_with("/usr/") && lists(*text, path.substr(4))))
      return name_of_list(name);
  }
  return {};
}

std::string ask_rpm(const std::string& file) {
  if (::access(kRpm, X_OK) != 0) return {};
  UvLoop loop;
  std::optional<ProgramEnd> end;
  const auto program =
      ChildProgram::start(loop.get(), {kRpm, "-qf", "--qf", "%{NAME}\\n", "--", file}, kRpmWithinMs,
                          [&](const ProgramEnd& ended) { end = ended; });
  if (!program) return {};
  while (!end) loop.run_once();
  const bool told = end->status == 0 && end->signal == 0 && !end->too_much;
  return told ? end->output.substr(0, end->output.find('\n')) : std::string{};
}

}  // namespace

std::vector<std::string> packages_together(std::string_view status, const std::string& name) {
  struct Entry {
    std::string name, source, version;
  };
  std::vector<Entry> entries;
  const Entry* ours = nullptr;
  for (size_t at = 0; at < status.size();) {
    const size_t end = std::min(status.find("\n\n", at), status.size());
    std::string_view paragraph = status.substr(at, end - at);
    at = end + 2;
    Entry entry;
    bool there = false;
    each_line(paragraph, [&](std::string_view line) {
      auto value = [&line](std::string_view key) { return std::string(line.substr(key.size())); };
      if (line.starts_with("Package: ")) entry.name = value("Package: ");
      if (line.starts_with("Version: ")) entry.version = value("Version: ");
      if (line.starts_with("Source: ")) entry.source = value("Source: ");
      if (line.starts_with("Status: ")) there = line.ends_with(" installed");
    });
    if (!there) continue;
    entry.source = entry.source.substr(0, entry.source.find(' '));
    if (entry.source.empty()) entry.source = entry.name;
    entries.push_back(std::move(entry));
  }
  for (const auto& entry : entries)
    if (entry.name == name) ours = &entry;
  if (ours == nullptr) return {name};
  std::vector<std::string> together;
  for (const auto& entry : entries)
    if (entry.source == ours->source && entry.version == ours->version)
      together.push_back(entry.name);
  // The same source may have been built for two architectures.
  std::ranges::sort(together);
  together.erase(std::ranges::unique(together).begin(), together.end());
  return together.size() > kMostTogether ? std::vector{name} : together;
}

std::optional<OwningPackage> package_of(const HostTree& tree, const fs::path& file) {
  if (file.empty()) return std::nullopt;
  if (std::string name = ask_dpkg(tree, file); is_package_name(name)) {
    auto status = tree.text(kStatus);
    return OwningPackage{.name = name, .together = packages_together(status.value_or(""), name)};
  }
  if (!tree.is_folder("/var/lib/rpm") && !tree.is_folder("/usr/lib/sysimage/rpm"))
    return std::nullopt;
  if (std::string name = ask_rpm(tree.at(file)); is_package_name(name))
    return OwningPackage{.name = name, .together = {name}};
  return std::nullopt;
}

}  // namespace serin::agent
