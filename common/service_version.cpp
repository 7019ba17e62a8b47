#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/dpkg.h"
#include "common/service_fields.h"

// Where the version of a service comes from.

namespace serin::service_fields {
namespace {

constexpr size_t kMostNameBytes = 128;  // of a header, a property, a variable

bool is_name(std::string_view text, std::string_view also) {
  return !text.empty() && text.size() <= kMostNameBytes &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  also.find(c) != std::string_view::npos;
         });
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

/// RFC 6901: "/" before each step, and ~ only as ~0 or ~1.
bool is_json_pointer(std::string_view text) {
  if (!text.starts_with('/') || text.size() > kMostTextBytes || has_control(text)) return false;
  for (size_t at = text.find('~'); at != std::string_view::npos; at = text.find('~', at + 1))
    if (at + 1 == text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return false;
  return true;
}

void read_http(ConfigTable& table, ServiceFile& service) {
  ServiceFile::VersionHttp http{};
  const auto text = table.string("http");
  if (text) {
    auto url = parse_scrape_url(*text);
    if (url) {
      http.url = std::move(*url);
    } else {
      table.problem("http", url.error().message);
    }
  }
  http.json = table.string("json").value_or("");
  if (table.has("json") && !is_json_pointer(http.json))
    table.problem("json", "must be a JSON pointer, such as \"/build/version\"");
  http.header = lower(table.string("header").value_or(""));
  if (table.has("header") && !is_name(http.header, "-_"))
    table.problem("header", "must be the name of a header, such as \"X-Version\"");
  if (table.has("json") && table.has("header"))
    table.problem("header", "and json are one too many: both say where in the answer");
  service.version = std::move(http);
}

void read_unit_property(ConfigTable& root, ConfigTable& table, ServiceFile& service) {
  ServiceFile::VersionUnitProperty unit{};
  unit.property = table.string("unit_property").value_or("");
  if (!is_name(unit.property, ""))
    table.problem("unit_property",
                  "must be a property as systemctl show calls it, such as \"Environment\"");
  unit.key = table.string("key").value_or("");
  if (table.has("key") && !is_name(unit.key, "_"))
    table.problem("key", "must be the name of a variable, such as \"VERSION\"");
  if (unit.property == "Environment" && !table.has("key"))
    table.missing("key", "the variable of the environment that holds the version");
  if (!root.has("unit"))
    table.problem("unit_property", "needs unit: only systemd's units have properties");
  service.version = std::move(unit);
}

/// Whoever wrote this meant something that there is in another way.
void refuse_container(ConfigTable& table) {
  if (!table.has("container")) return;
  table.leave("container");
  table.leave("label");
  table.problem(
      "container",
      "cannot be read without root's rights over the container engine. Where the agent may ask it: "
      "command = [\"/usr/bin/podman\", \"inspect\", \"--format\", \"{{index .Config.Labels "
      "\\\"org.opencontainers.image.version\\\"}}\", \"NAME\"]; else let the unit write the label "
      "into a "
      "file when it starts, and give file");
}

constexpr std::array<std::string_view, 7> kSources = {"symlink", "file", "package",      "build_id",
                                                      "command", "http", "unit_property"};
constexpr std::string_view kHttpOnly[] = {"json", "header"};

}  // namespace

void read_version(ConfigTable& root, ServiceFile& service) {
  auto table = root.table("version");
  if (!table) return;
  if (auto link = path(*table, "symlink"))
    service.version = ServiceFile::VersionSymlink{std::move(*link)};
  if (auto file = path(*table, "file"))
    service.version = ServiceFile::VersionFile{std::move(*file)};
  if (const auto build_id = table->boolean("build_id"); build_id && !*build_id) {
    table->problem("build_id", "can only be true; leave it out to choose another source");
  }
  if (auto name = table->string("package")) {
    if (!is_package_name(*name)) table->problem("package", "must be the name of a package");
    service.version = ServiceFile::VersionPackage{std::move(*name)};
  }
  if (auto words = argv(*table, "command"))
    service.version = ServiceFile::VersionCommand{std::move(*words)};
  if (table->has("http")) read_http(*table, service);
  if (table->has("unit_property")) read_unit_property(root, *table, service);
  for (const auto key : kHttpOnly) {
    if (table->has("http") || !table->has(key)) continue;
    table->leave(key);
    table->problem(key, "belongs to http");
  }
  if (table->has("key") && !table->has("unit_property")) {
    table->leave("key");
    table->problem("key", "belongs to unit_property");
  }
  if (table->has("container")) return refuse_container(*table);
  const auto given =
      std::count_if(kSources.begin(), kSources.end(), [&](auto key) { return table->has(key); });
  if (given != 1)
    root.problem("version",
                 "must have exactly one source: symlink, file, package, build_id, command, http or "
                 "unit_property");
}

/// The helper asks nothing and nobody: it compares the condemned version with the release that the
/// kernel says runs.
void check_asked_version(ConfigTable& root, const ServiceFile& service) {
  if (!service.version_is_asked() || service.rollback.empty()) return;
  const bool told = std::any_of(service.rollback.begin(), service.rollback.end(),
                                [](const auto& each) { return !each.releases.empty(); });
  if (told) return;
  root.problem(
      "rollback",
      "cannot work with a version that is asked for: the helper, which asks nobody, must see "
      "by itself what runs. Add a release_symlink whose folders are called like the "
      "versions, or take the version from a symlink, file or package");
}

}  // namespace serin::service_fields
