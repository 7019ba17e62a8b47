#include "agent/facts/service_facts.h"

#include <fmt/core.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>

#include "common/file.h"
#include "schema/fact.h"
#include "schema/limits.h"

namespace serin::agent {
namespace {

constexpr size_t kMostLimitsBytes = size_t{16} * 1024;

/// The files that a pattern stands for, sorted; none where the folder may not be read.
std::vector<std::string> files_of(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> files;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  std::ranges::sort(files);
  return files;
}

/// Of a long path the end tells it apart.
std::string config_fact(const std::string& file) {
  constexpr std::string_view kGroup = "config.";
  const size_t room = limits::kNameBytes - kGroup.size();
  const std::string end = file.size() <= room ? file : "…" + file.substr(file.size() - room + 3);
  return fact::name_of(kGroup, end);
}

/// Values of the helper that tell no build.
bool is_unknown(const std::string& id) {
  return id.empty() || id == "replaced" || id == "unreadable";
}

}  // namespace

ServiceFacts::ServiceFacts(FactBook& book, std::string service, std::vector<std::string> config,
                           HelperPort helper, HostRoots roots)
    : book_(book),
      service_(std::move(service)),
      config_(std::move(config)),
      helper_(std::move(helper)),
      roots_(std::move(roots)) {}

void ServiceFacts::started(int32_t pid, const Moment& now) {
  process_ = std::make_shared<Process>(Process{.pid = pid, .since_us = now.boot_us});
  book_.replace("limits.", {});
  book_.replace("unit.", {});
  book_.replace("library.", {});
  book_.remove("libraries.absent");
  look(now);
}

void ServiceFacts::tick(const Moment& now) {
  if (now.boot_us - looked_us_ >= kLookUs) look(now);
  if (!process_) return;
  const uint64_t age_us = now.boot_us - process_->since_us;
  const bool due = process_->libraries_asked == 0   ? age_us >= kFirstLibrariesUs
                   : process_->libraries_asked == 1 ? age_us >= kLastLibrariesUs
                                                    : false;
  if (!due) return;
  ++process_->libraries_asked;
  ask_libraries();
}

void ServiceFacts::look(const Moment& now) {
  looked_us_ = now.boot_us;
  if (process_) look_at_process();
  look_at_config();
}

void ServiceFacts::look_at_process() {
  const auto file = roots_.proc / std::to_string(process_->pid) / "limits";
  FactPairs facts;
  if (const auto text = read_file(file, kMostLimitsBytes)) {
    book_.replace("limits.", parse_limits(*text));
  } else if (book_.find("limits.nofile").empty()) {
    book_.absent("limits.nofile", text.error().message);
  }
  look_at_group(facts);
  if (!facts.empty()) book_.replace("unit.", facts);
}

void ServiceFacts::look_at_group(FactPairs& facts) {
  const auto text =
      read_file(roots_.proc / std::to_string(process_->pid) / "cgroup", kMostLimitsBytes);
  const std::string group = text ? parse_unified_group(*text) : std::string{};
  if (group.empty() || group == "/") return;  // in no unit, or cgroup v1: nothing to tell
  const auto folder = roots_.sys / "fs/cgroup" / group.substr(1);
  struct stat there{};
  if (::stat(folder.c_str(), &there) != 0) return;
  const auto add = [&](const char* name, const char* file, std::string (*parse)(std::string_view)) {
    // A group without a controller has no such file, and no such limit.
    if (::stat((folder / file).c_str(), &there) != 0) return;
    add_file_fact(facts, name, folder / file, parse);
  };
  add("unit.cpu_quota", "cpu.max", parse_cpu_max);
  add("unit.memory_max", "memory.max", parse_most);
  add("unit.memory_high", "memory.high", parse_most);
  add("unit.tasks_max", "pids.max", parse_most);
}

void ServiceFacts::look_at_config() {
  FactPairs facts;
  for (const std::string& pattern : config_) {
    auto files = files_of(pattern);
    if (files.empty()) files.push_back(pattern);  // its absence is told by its name
    for (const std::string& file : files) {
      if (facts.size() >= kMostConfigFiles) break;
      facts.emplace_back(config_fact(file), hash_of(file));
    }
  }
  if (facts.size() >= kMostConfigFiles)
    facts.emplace_back("config.left_out", fmt::format("only the first {} files", kMostConfigFiles));
  book_.replace("config.", facts);
}

std::string ServiceFacts::hash_of(const std::string& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) {
    hashed_.erase(file);
    return fact::absent(fmt::format("{}: {}", file, errno_text(errno)));
  }
  Hashed now{.changed_us = int64_t{found.st_ctim.tv_sec} * 1'000'000 + found.st_ctim.tv_nsec / 1000,
             .inode = found.st_ino,
             .bytes = found.st_size,
             .value = {}};
  Hashed& known = hashed_[file];
  const bool same = known.changed_us == now.changed_us && known.inode == now.inode &&
                    known.bytes == now.bytes && !known.value.empty();
  if (same) return known.value;
  const auto text = read_file(file, kMostConfigBytes);
  now.value = text ? short_hash(*text) : fact::absent(text.error().message);
  if (hashed_.size() > 4 * kMostConfigFiles)
    hashed_.clear();  // of patterns whose files come and go
  return hashed_[file] = now, now.value;
}

void ServiceFacts::ask_libraries() {
  if (!helper_.call) {
    book_.set("libraries.absent",
              fact::absent("only the root helper may see them, and there is none"));
    return;
  }
  helper_.call({.verb = HelperVerb::inspect, .service = service_, .command = {}},
               [this, weak = std::weak_ptr(process_)](const Result<HelperReply>& reply) {
                 if (const auto process = weak.lock(); process && process == process_)
                   take_libraries(reply);
               });
}

void ServiceFacts::take_libraries(const Result<HelperReply>& reply) {
  if (!reply || !reply->libraries.known) {
    std::string why = !reply                              ? reply.error().message
                      : !reply->libraries.problem.empty() ? reply->libraries.problem
                      : !reply->text.empty()              ? reply->text
                                                          : "the helper does not tell of them";
    return book_.set("libraries.absent", fact::absent(why));
  }
  FactPairs facts;
  for (const auto& [name, id] : reply->libraries.list) {
    facts.emplace_back(fact::name_of("library.", name),
                       is_unknown(id) ? fact::absent(id.empty() ? "no build-id" : id) : id);
  }
  book_.replace("library.", facts);
  book_.remove("libraries.absent");
  if (reply->libraries.left_out > 0)
    book_.set("libraries.left_out", std::to_string(reply->libraries.left_out));
}

}  // namespace serin::agent
