#include "common/service_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/config.h"
#include "common/file.h"
#include "common/ids.h"
#include "common/dpkg.h"
#include "common/service_fields.h"

namespace serin {
namespace service_fields {

namespace fs = std::filesystem;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::optional<fs::path> path(ConfigTable& table, std::string_view key) {
  const auto text = table.string(key);
  if (!text) return std::nullopt;
  fs::path path(*text);
  if (!path.is_absolute()) {
    table.problem(key, fmt::format("must be an absolute path, not \"{:.200}\"", *text));
  } else if (text->size() > kMostTextBytes || has_control(*text)) {
    table.problem(key, "must be a path of at most 4095 bytes without control characters");
  } else if (std::find(path.begin(), path.end(), "..") != path.end()) {
    table.problem(key, fmt::format("must not go through \"..\": \"{:.200}\"", *text));
  } else {
    return path;
  }
  return std::nullopt;
}

bool is_unit_name(std::string_view name) {
  constexpr std::string_view kSuffix = ".service";
  constexpr size_t kMostBytes = 255;
  constexpr std::string_view kPunctuation = ":_.-\\@";
  return name.size() > kSuffix.size() && name.size() <= kMostBytes && name.ends_with(kSuffix) &&
         name.front() != '-' && std::all_of(name.begin(), name.end(), [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  kPunctuation.find(c) != std::string_view::npos;
         });
}

std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::optional<std::string> word(ConfigTable& table, std::string_view key,
                                std::span<const std::string_view> known,
                                std::span<const std::string_view> later) {
  auto text = table.string(key);
  if (!text) return std::nullopt;
  if (std::find(known.begin(), known.end(), *text) != known.end()) return text;
  const auto there = fmt::format("there {} {}", known.size() == 1 ? "is" : "are", listed(known));
  if (std::find(later.begin(), later.end(), *text) != later.end()) {
    table.problem(key, fmt::format("\"{}\" is not supported by this version; {}", *text, there));
  } else {
    table.problem(key, fmt::format("\"{:.40}\" is not known; {}", *text, there));
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> argv(ConfigTable& table, std::string_view key) {
  constexpr size_t kMostArguments = 64;
  auto words = table.strings(key);
  if (!words) return std::nullopt;
  if (words->empty() || !words->front().starts_with('/')) {
    table.problem(key, "must begin with the absolute path of a program; no shell reads it");
  } else if (words->size() > kMostArguments) {
    table.problem(key, fmt::format("must not hold more than {} words", kMostArguments));
  } else if (std::any_of(words->begin(), words->end(), [](const std::string& one) {
               return one.size() > kMostTextBytes || one.find('\0') != std::string::npos;
             })) {
    table.problem(key, "holds a word longer than 4095 bytes or with a NUL byte");
  } else {
    return words;
  }
  return std::nullopt;
}

}  // namespace service_fields

namespace {

using namespace service_fields;

/// A folder of services is read at every start; more files than this are a folder gone wrong.
constexpr size_t kMostFileBytes = size_t{256} * 1024;
/// Each is followed, counted and sent every second.
constexpr size_t kMostRequestSources = 16;
constexpr size_t kMostBusinessMetrics = 16;
constexpr size_t kMostActions = 8;
constexpr double kLongestDeadManSeconds = 3600;  // later a failure is hardly the version's
constexpr size_t kMostUnits = 16;
constexpr size_t kMostConfigFiles = 32;
constexpr size_t kMostPorts = 16;  // each is a condition that the kernel tries on every socket

void read_process(ConfigTable& root, ServiceFile& service) {
  constexpr std::array<std::string_view, 3> kWays = {"unit", "pid_file", "exe"};
  const auto given =
      std::count_if(kWays.begin(), kWays.end(), [&](auto key) { return root.has(key); });
  if (given == 0)
    root.missing("unit", "the systemd unit that runs the service; or pid_file, or exe");
  if (given > 1)
    root.problem(root.has("exe") ? "exe" : "pid_file",
                 "is one too many: give one of unit, pid_file and exe");
  if (auto units = root.strings("unit")) {
    if (units->empty() || units->size() > kMostUnits ||
        !std::all_of(units->begin(), units->end(), is_unit_name)) {
      root.problem("unit", "must be a unit such as \"api.service\", or a list of at most 16 such");
    }
    service.process = ServiceFile::ByUnit{std::move(*units)};
  }
  if (auto file = path(root, "pid_file"))
    service.process = ServiceFile::ByPidFile{std::move(*file)};
  if (auto file = path(root, "exe")) service.process = ServiceFile::ByExe{std::move(*file)};
}

void read_config_files(ConfigTable& root, ServiceFile& service) {
  auto files = root.strings("config");
  if (!files) return;
  if (files->size() > kMostConfigFiles)
    root.problem("config", fmt::format("must not hold more than {} files", kMostConfigFiles));
  for (const std::string& file : *files) {
    const std::filesystem::path path(file);
    const bool climbs = std::find(path.begin(), path.end(), "..") != path.end();
    if (path.is_absolute() && !climbs && file.size() <= kMostTextBytes && !has_control(file)) continue;
    root.problem("config", fmt::format("must hold absolute paths without \"..\", in which * and ? "
                                       "stand for parts of a name; not \"{:.200}\"",
                                       file));
  }
  service.config = std::move(*files);
}

void read_ports(ConfigTable& root, ServiceFile& service) {
  constexpr int64_t kLastPort = 65535;
  auto ports = root.integers("ports", 1, kLastPort);
  if (!ports) return;
  if (ports->empty() || ports->size() > kMostPorts)
    root.problem("ports", fmt::format("must hold 1 to {} ports", kMostPorts));
  for (const int64_t port : *ports) service.ports.push_back(static_cast<uint16_t>(port));
  std::sort(service.ports.begin(), service.ports.end());
  if (std::adjacent_find(service.ports.begin(), service.ports.end()) != service.ports.end())
    root.problem("ports", "holds a port twice");
}

/// The tables of a list, less those past the limit, which are a problem.
std::vector<ConfigTable> at_most(ConfigTable& root, std::string_view key, size_t most) {
  auto tables = root.tables(key);
  if (tables.size() > most)
    root.problem(key, fmt::format("must not be there more than {} times", most));
  return tables;
}

void read_lists(ConfigTable& root, ServiceFile& service) {
  auto sources = at_most(root, "requests", kMostRequestSources);
  for (auto& table : sources) service.requests.push_back(read_requests(table, service.name));
  for (auto& table : at_most(root, "business", kMostBusinessMetrics)) {
    auto business = read_business(table);
    const bool twice = std::any_of(service.business.begin(), service.business.end(),
                                   [&](const auto& other) { return other.name == business.name; });
    if (twice && !business.name.empty()) table.problem("name", "is given twice");
    service.business.push_back(std::move(business));
  }
  for (size_t i = 0; i < sources.size(); ++i) check_counts(sources[i], service.requests[i], service);
  for (auto& table : at_most(root, "class", ServiceFile::kMostClasses)) {
    auto one = read_class(table);
    const bool twice = std::any_of(service.classes.begin(), service.classes.end(),
                                   [&](const auto& other) { return other.name == one.name; });
    if (twice && !one.name.empty()) table.problem("name", "is given twice");
    service.classes.push_back(std::move(one));
  }
  check_classes(root, service);
  for (auto& table : at_most(root, "rollback", kMostActions)) {
    service.rollback.push_back(read_rollback(table, service));
  }
}

void read_dead_man(ConfigTable& root, ServiceFile& service) {
  auto table = root.table("dead_man");
  if (!table) return;
  if (!table->has("within"))
    table->missing("within", "how long after a version's start the host may still go back");
  ServiceFile::DeadMan dead_man;
  dead_man.within_seconds = table->duration_seconds("within").value_or(dead_man.within_seconds);
  if (dead_man.within_seconds <= 0 || dead_man.within_seconds > kLongestDeadManSeconds)
    table->problem("within", "must be more than nothing and at most 1h");
  if (service.rollback.empty())
    root.problem("dead_man", "needs a [[rollback]]: without one there is nothing it could do");
  service.dead_man = dead_man;
}

}  // namespace

Result<ServiceFile> parse_service_file(std::string_view text, const std::filesystem::path& file) {
  ServiceFile service;
  service.name = file.stem().native();
  if (file.extension() != ".toml" || !is_service_name(service.name)) {
    return fail(
        fmt::format("{}: a service's file is NAME.toml with a name of 1 to 63 of a-z 0-9 _ -, "
                    "beginning with a letter or digit",
                    file.native()));
  }
  auto root = ConfigTable::parse_text(text, file.native());
  if (!root) return std::unexpected(root.error());
  read_process(*root, service);
  read_version(*root, service);
  read_lists(*root, service);
  check_probes(*root, service);
  check_asked_version(*root, service);
  read_config_files(*root, service);
  read_ports(*root, service);
  read_dead_man(*root, service);
  if (auto finished = root->finish(); !finished) return std::unexpected(finished.error());
  return service;
}

Result<ServiceFile> load_service_file(const std::filesystem::path& file) {
  const auto text = read_file(file, kMostFileBytes);
  if (!text) return std::unexpected(text.error());
  return parse_service_file(*text, file);
}

std::vector<std::pair<std::filesystem::path, Result<ServiceFile>>> load_service_folder(
    const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".toml") files.push_back(it->path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::pair<std::filesystem::path, Result<ServiceFile>>> loaded;
  if (error) {
    loaded.emplace_back(folder, fail(fmt::format("cannot read the folder of services {}: {}",
                                                 folder.native(), error.message())));
  }
  for (const auto& file : files) loaded.emplace_back(file, load_service_file(file));
  return loaded;
}

}  // namespace serin
