#include "agent/discover/discover.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "agent/discover/toml_text.h"
#include "common/file.h"
#include "common/service_file.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

/// The units that are watched already, with the file that names them.
std::map<std::string, std::string> watched_units(const fs::path& folder) {
  std::map<std::string, std::string> watched;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return watched;
  for (const auto& [file, service] : load_service_folder(folder)) {
    if (!service) continue;
    if (const auto* by = std::get_if<ServiceFile::ByUnit>(&service->process))
      for (const auto& unit : by->units) watched[unit] = file.string();
  }
  return watched;
}

/// Two units may come to one name: web@1 and web-1.
void make_unique(Proposal& proposal, std::set<std::string>& taken) {
  const std::string name = proposal.name;
  for (int number = 2; !taken.insert(proposal.name).second; ++number) {
    const auto suffix = fmt::format("-{}", number);
    proposal.name = name.substr(0, 63 - suffix.size()) + suffix;
  }
}

}  // namespace

Discovery discover(const HostTree& tree, const DiscoverOptions& options) {
  Scan scan = scan_units(tree, {.infrastructure = options.infrastructure});
  Discovery discovery{.proposals = {}, .left_out = std::move(scan.left_out), .problems = {}};
  Surroundings around{
      .front_logs = {}, .answers = {}, .asked = options.ports == DiscoverOptions::Ports::asked};
  for (const auto& unit : scan.units)
    for (auto& log : own_logs(tree, unit)) around.front_logs.push_back(std::move(log));
  const auto watched = watched_units(options.services);
  std::set<std::string> taken;
  for (const auto& unit : scan.units) {
    if (!options.only_unit.empty() && unit.unit != options.only_unit) continue;
    if (auto known = watched.find(unit.unit);
        known != watched.end() && !unit.user && options.only_unit.empty()) {
      discovery.left_out.push_back({unit.unit, "watched already, by " + known->second});
      continue;
    }
    if (around.asked) around.answers = probe_ports(unit);
    Proposal proposal = propose(tree, unit, around);
    make_unique(proposal, taken);
    auto read = parse_service_file(proposal.text, options.services / (proposal.name + ".toml"));
    if (!read)
      discovery.problems.push_back(
          fmt::format("the proposal for {} cannot be used: {}", unit.unit, read.error().message));
    discovery.proposals.push_back(std::move(proposal));
  }
  if (!options.only_unit.empty() && discovery.proposals.empty())
    discovery.problems.push_back(options.only_unit + " listens on no TCP port that is seen");
  return discovery;
}

std::string printed(const Discovery& discovery, const fs::path& folder) {
  std::string text = toml_comment(fmt::format(
      "{} unit{} could be watched. discover --write {} writes these files.",
      discovery.proposals.size(), discovery.proposals.size() == 1 ? "" : "s", folder.string()));
  for (const auto& note : discovery.left_out)
    text += toml_comment(fmt::format("left out: {}: {}", note.what, note.why));
  for (const auto& proposal : discovery.proposals)
    text += fmt::format("\n# ---- {}\n{}", (folder / (proposal.name + ".toml")).string(),
                        proposal.text);
  return text;
}

Result<std::vector<std::string>> write_proposals(const Discovery& discovery,
                                                 const fs::path& folder) {
  std::vector<std::string> said;
  if (auto made = make_folders(folder, 0755); !made) return std::unexpected(made.error());
  for (const auto& proposal : discovery.proposals) {
    const auto file = folder / (proposal.name + ".toml");
    UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!fd && errno == EEXIST) {
      said.push_back(file.string() + " is there already: left as it is");
      continue;
    }
    if (!fd) return fail(fmt::format("cannot make {}: {}", file.string(), errno_text(errno)));
    if (auto written = write_all(fd.get(), proposal.text, file.string()); !written)
      return std::unexpected(written.error());
    said.push_back("wrote " + file.string());
  }
  return said;
}

}  // namespace serin::agent
