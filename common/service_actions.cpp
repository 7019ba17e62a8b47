#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/dpkg.h"
#include "common/service_fields.h"

// What belongs to each kind of action.

namespace serin::service_fields {
namespace {

void read_release_symlink(ConfigTable& table, const ServiceFile& service,
                          ServiceFile::Rollback& rollback) {
  if (!table.has("releases"))
    table.missing("releases", "the folder that holds one folder a release");
  if (!table.has("restart")) {
    table.missing("restart", "what makes the old release run: a unit, a command or a signal");
  }
  rollback.releases = path(table, "releases").value_or("");
  const auto* symlink = std::get_if<ServiceFile::VersionSymlink>(&service.version);
  if (auto link = path(table, "link")) {
    rollback.link = std::move(*link);
  } else if (symlink != nullptr) {
    rollback.link = symlink->link;
  } else if (!table.has("link")) {
    table.missing("link", "the link to switch; needed as the version is not that of a symlink");
  }
}

/// "{}-1": what stands around the version.
ServiceFile::PackageVersion read_package_version(ConfigTable& table) {
  constexpr std::string_view kHole = "{}";
  const auto text = table.string("package_version").value_or(std::string(kHole));
  const size_t hole = text.find(kHole);
  const bool once = hole != std::string::npos && text.find(kHole, hole + 1) == std::string::npos;
  auto around = text;
  if (once) around.erase(hole, kHole.size());
  // A place of its own for the letters of a version: what stands around it may hold no others.
  if (!once || (!around.empty() && !is_package_version("0" + around))) {
    table.problem(
        "package_version",
        "must hold {} once, where the version goes, and only letters, digits and . + : ~ ^ _ "
        "- around it, such as \"{}-1\"");
    return {};
  }
  return {.before = text.substr(0, hole), .after = text.substr(hole + kHole.size())};
}

void read_package(ConfigTable& table, const ServiceFile& service, ServiceFile::Rollback& rollback) {
  constexpr size_t kMostPackages = 8;  // those of one source; not a list of what the host holds
  const auto* version = std::get_if<ServiceFile::VersionPackage>(&service.version);
  if (auto names = table.strings("package")) {
    rollback.packages = std::move(*names);
    if (rollback.packages.empty() || rollback.packages.size() > kMostPackages ||
        !std::all_of(rollback.packages.begin(), rollback.packages.end(), is_package_name)) {
      table.problem("package", "must be the name of a package, or a list of at most 8");
    }
  } else if (version != nullptr) {
    rollback.packages = {version->name};
  } else if (!table.has("package")) {
    table.missing("package", "the package to put back; needed as the version is not a package's");
  }
  if (!table.has("restart")) {
    table.missing("restart", "what makes the old version run: a unit, a command or a signal");
  }
  rollback.package_version = read_package_version(table);
}

void read_flag(ConfigTable& table, ServiceFile::Rollback& rollback) {
  if (!table.has("file")) table.missing("file", "flagd's JSON file with the flag");
  if (!table.has("flag")) table.missing("flag", "the name of the flag to turn off");
  if (table.has("variant") == table.has("state")) {
    table.problem(
        table.has("state") ? "state" : "flag",
        "is turned off either by its variant (such as \"off\") or by state = \"DISABLED\"");
  }
  rollback.flag.file = path(table, "file").value_or("");
  rollback.flag.name = table.string("flag").value_or("");
  rollback.flag.variant = table.string("variant").value_or("");
  const auto plain = [](const std::string& text) {
    return !text.empty() && text.size() <= 128 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c != 0x7F; });
  };
  for (const auto* key : {"flag", "variant"}) {
    const auto& text = key == std::string_view("flag") ? rollback.flag.name : rollback.flag.variant;
    if (table.has(key) && !plain(text)) table.problem(key, "must be 1 to 128 printable characters");
  }
  if (auto state = table.string("state"); state && *state != "DISABLED")
    table.problem("state", "can only be \"DISABLED\"");
}

/// The action is a problem already; what belongs to it is not unknown.
void tick_off_parameters(ConfigTable& table) {
  for (const auto* key : {"releases", "link", "command", "package", "package_version", "file",
                          "flag", "variant", "state"}) {
    table.leave(key);
  }
}

void read_command(ConfigTable& table, ServiceFile::Rollback& rollback) {
  if (!table.has("command")) table.missing("command", "the absolute program and its arguments");
  rollback.argv = argv(table, "command").value_or(std::vector<std::string>());
}

}  // namespace

void read_action(ConfigTable& table, const ServiceFile& service, ServiceFile::Rollback& rollback) {
  constexpr std::array<std::string_view, 4> kActions = {"release_symlink", "package", "flag",
                                                        "command"};
  if (!table.has("action"))
    table.missing("action", fmt::format("what to do; there are {}", listed(kActions)));
  rollback.action = word(table, "action", kActions, {}).value_or("");
  if (rollback.action == "release_symlink") read_release_symlink(table, service, rollback);
  if (rollback.action == "package") read_package(table, service, rollback);
  if (rollback.action == "flag") read_flag(table, rollback);
  if (rollback.action == "command") read_command(table, rollback);
  if (rollback.action.empty()) tick_off_parameters(table);
}

}  // namespace serin::service_fields
