#include "agent/discover/proposal.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "agent/discover/package_owner.h"
#include "agent/discover/release_folder.h"
#include "agent/discover/toml_text.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMostConfigFiles = 32;  // what a service file takes
constexpr size_t kMostNameBytes = 63;

/// Programs whose own version says nothing of what they run.
bool is_interpreter(const FoundUnit& unit) {
  constexpr std::array<std::string_view, 15> kNames = {"python", "node", "nodejs", "ruby", "perl",
                                                       "java",   "php",  "bash",   "dash", "sh",
                                                       "beam",   "mono", "dotnet", "deno", "bun"};
  std::string name = unit.program();
  while (!name.empty() && (name.back() == '.' || (name.back() >= '0' && name.back() <= '9')))
    name.pop_back();
  if (name.ends_with(".smp")) name.resize(name.size() - 4);
  return std::ranges::find(kNames, name) != kNames.end();
}

/// The files that a program was given, absolute: what an interpreter runs is the first of them.
std::vector<fs::path> argument_files(const HostTree& tree, const FoundUnit& unit) {
  std::vector<fs::path> files;
  for (size_t i = 1; i < unit.argv.size(); ++i) {
    const std::string& word = unit.argv[i];
    if (word.empty() || word.front() == '-') continue;
    const fs::path path = (unit.cwd / word).lexically_normal();
    if (path.is_absolute() && tree.is_file(path)) files.push_back(path);
  }
  return files;
}

/// Where the version of what runs can be known from.
struct Origin {
  bool interpreted = false;
  fs::path program;  ///< that whose version it is
  std::optional<ReleaseFolder> releases;
  std::optional<OwningPackage> package;
};

Origin origin_of(const HostTree& tree, const FoundUnit& unit) {
  Origin origin{.interpreted = is_interpreter(unit), .program = unit.exe};
  const auto files = argument_files(tree, unit);
  if (origin.interpreted) origin.program = files.empty() ? fs::path() : files.front();
  auto written = unit_paths(tree, unit.unit);
  for (const auto& word : unit.argv)
    if (word.starts_with('/')) written.emplace_back(word);
  std::vector<fs::path> resolved{unit.exe, unit.cwd};
  resolved.insert(resolved.end(), files.begin(), files.end());
  origin.releases = find_release_folder(tree, written, resolved);
  if (!origin.releases) origin.package = package_of(tree, origin.program);
  return origin;
}

std::string header(const FoundUnit& unit, const std::string& name) {
  std::vector<std::string> ports;
  for (const auto& port : unit.ports) ports.push_back(port.text());
  std::string text = toml_comment(fmt::format(
      "/etc/serin/services.d/{}.toml, proposed by serin-agent discover: look it through. "
      "serin-service(5) has every key; it counts from the agent's next start on, and `serin-agent "
      "check` says what is seen with it.",
      name));
  return text +
         toml_comment(fmt::format(
             "{} listens on {}: process {}, {}.", unit.unit, fmt::join(ports, ", "), unit.pid,
             unit.exe.empty() ? "whose program may not be read" : unit.exe.string()));
}

std::string process_lines(const FoundUnit& unit) {
  if (!unit.user) return fmt::format("unit = {}\n", toml_string(unit.unit));
  return toml_comment(fmt::format(
             "{} belongs to the systemd of user {}, whom the host's own does not tell of it: the "
             "process is found by its program.",
             unit.unit, *unit.user)) +
         fmt::format("exe = {}\n", toml_string(unit.exe.string()));
}

std::string version_lines(const FoundUnit& unit, const Origin& origin) {
  if (origin.releases)
    return toml_comment(fmt::format("The folder that the link leads to is the version: {} now.",
                                    origin.releases->current)) +
           fmt::format("version = {{ symlink = {} }}\n",
                       toml_string(origin.releases->link.string()));
  if (origin.package)
    return toml_comment(origin.program.string() + " came with this package; its version counts.") +
           fmt::format("version = {{ package = {} }}\n", toml_string(origin.package->name));
  std::string text;
  if (origin.interpreted) {
    text = toml_comment(fmt::format(
        "How its version can be known was not found: {} runs a program that lies in no folder of "
        "releases and in no package. The build-id of {} stands in, which no deploy changes: give "
        "one of these instead.",
        unit.program(), unit.program()));
  } else {
    text = toml_comment(
        "The program lies in no folder of releases and in no package: its build-id, which the "
        "helper reads, is the version. These would have names:");
  }
  return text +
         commented_out(
             "version = { symlink = \"/srv/…/current\" }\n"
             "version = { file = \"/srv/…/VERSION\" }\n"
             "version = { command = [\"/srv/…/program\", \"--version\"] }\n" +
             fmt::format("version = {{ http = \"http://{}:{}/version\" }}\n",
                         unit.ports.front().url_host(), unit.ports.front().port)) +
         "version = { build_id = true }\n";
}

bool is_config_name(std::string_view name) {
  constexpr std::array<std::string_view, 8> kEndings = {".conf", ".cfg", ".cnf",  ".toml",
                                                        ".yaml", ".yml", ".json", ".ini"};
  return std::ranges::any_of(kEndings, [&](auto ending) { return name.ends_with(ending); });
}

/// Patterns for the files of a folder in /etc: one for each ending that there is.
void add_folder(const HostTree& tree, const fs::path& folder, std::set<std::string>& patterns) {
  for (const auto& name : tree.names(folder))
    if (is_config_name(name) && tree.is_file(folder / name))
      patterns.insert((folder / ("*" + fs::path(name).extension().string())).string());
  for (const char* inner : {"conf.d", "conf-enabled", "mods-enabled", "sites-enabled"})
    if (!tree.names(folder / inner).empty()) patterns.insert((folder / inner / "*").string());
}

std::string config_lines(const HostTree& tree, const FoundUnit& unit, const Origin& origin) {
  std::set<std::string> patterns;
  std::set<std::string> names{unit.unit.substr(0, unit.unit.find_first_of("@.")), unit.program()};
  if (origin.package) names.insert(origin.package->name);
  for (const auto& name : names)
    if (!name.empty()) add_folder(tree, fs::path("/etc") / name, patterns);
  for (const auto& file : argument_files(tree, unit))
    if (is_config_name(file.native()) &&
        !patterns.contains((file.parent_path() / ("*" + file.extension().string())).string()))
      patterns.insert(file.string());
  const fs::path defaults =
      fs::path("/etc/default") / unit.unit.substr(0, unit.unit.find_first_of("@."));
  if (tree.is_file(defaults)) patterns.insert(defaults.string());
  if (patterns.empty() || patterns.size() > kMostConfigFiles) return {};
  std::vector<std::string> list(patterns.begin(), patterns.end());
  const bool one = list.size() == 1;
  return "\n" +
         toml_comment("When one of these differs from other hosts', that is told: by hashes.") +
         fmt::format("config = {}{}{}\n", one ? "[" : "", toml_strings(list), one ? "]" : "");
}

std::string healthy_lines(const FoundUnit& unit, const Surroundings& around) {
  if (!around.answers.healthy.empty())
    return fmt::format("healthy = {{ http = {}, within = \"20s\" }}\n",
                       toml_string(around.answers.healthy));
  return toml_comment(around.asked
                          ? "None of its ports answered 200 by HTTP."
                          : "Not asked (discover --probe does): must answer 200 by HTTP.") +
         commented_out(
             fmt::format("healthy = {{ http = \"http://{}/healthz\", within = \"20s\" }}\n",
                         unit.ports.front().url_host()));
}

std::string restart_line(const FoundUnit& unit) {
  return fmt::format("restart = {}\n", toml_string(unit.unit));
}

std::string rollback_lines(const FoundUnit& unit, const Origin& origin,
                           const Surroundings& around) {
  const std::string healthy = healthy_lines(unit, around);
  const std::string to_link = "[[rollback]]\naction = \"release_symlink\"\n";
  if (origin.releases) {
    const auto& found = *origin.releases;
    std::string lines = to_link +
                        fmt::format("releases = {}\n", toml_string(found.releases.string())) +
                        restart_line(unit) + healthy;
    if (unit.user)
      return toml_comment("Not active: the helper restarts units of the host, not of a user.") +
             commented_out(lines);
    if (!found.dedicated)
      return toml_comment(fmt::format("Not active: {} holds the link too, so what else lies there "
                                      "would count as a release.",
                                      found.releases.string())) +
             commented_out(lines);
    return toml_comment(found.others.empty()
                            ? "There is no other release yet: keep the one before the current."
                            : fmt::format("{} other releases lie there.", found.others.size())) +
           lines;
  }
  if (origin.package && !unit.user) {
    std::string text = toml_comment(
        "The package manager puts the version before back. It must still be had: from the "
        "repository or from the cache.");
    if (origin.package->together.size() > 1)
      text += toml_comment("All of one source and version, as they depend on each other.");
    return text +
           fmt::format("[[rollback]]\naction = \"package\"\npackage = {}\n",
                       toml_strings(origin.package->together)) +
           restart_line(unit) + healthy;
  }
  return toml_comment(
             "What to do about a bad release was not found, so Serin can only tell. One of "
             "these:") +
         commented_out(to_link + "releases = \"/srv/…/releases\"\n" + restart_line(unit) +
                       "\n[[rollback]]\naction = \"command\"\ncommand = [\"/usr/local/bin/…\"]\n");
}

}  // namespace

std::string service_name_of(const std::string& unit) {
  std::string name = unit.substr(0, unit.rfind(".service"));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!fits) c = '-';
  }
  name.erase(0, std::min(name.find_first_not_of("-_"), name.size()));
  name.resize(std::min(name.size(), kMostNameBytes));
  return name.empty() ? "service" : name;
}

Proposal propose(const HostTree& tree, const FoundUnit& unit, const Surroundings& around) {
  Proposal proposal{.name = service_name_of(unit.unit), .text = {}};
  const Origin origin = origin_of(tree, unit);
  proposal.text = header(unit, proposal.name) + process_lines(unit) + "\n" +
                  version_lines(unit, origin) + config_lines(tree, unit, origin) + "\n" +
                  propose_requests(tree, unit, around) + "\n" +
                  rollback_lines(unit, origin, around);
  return proposal;
}

}  // namespace serin::agent
