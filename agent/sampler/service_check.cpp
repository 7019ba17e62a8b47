#include "agent/sampler/service_check.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "agent/request/line_reader.h"
#include "agent/request/log_format.h"
#include "agent/request/scrape_once.h"
#include "agent/sampler/recorder_check.h"
#include "agent/sampler/unit_check.h"
#include "agent/service/running_release.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kLogBytes = uint64_t{256} * 1024;  // of the log's end, to try the format on

std::string ago(uint64_t us) {
  uint64_t seconds = us / 1'000'000;
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h", seconds / 3600);
}

std::string number_or_absent(std::string_view what, const std::optional<uint64_t>& value,
                             uint64_t unit = 1) {
  return value ? fmt::format("{} {}", *value / unit, what) : fmt::format("no {}", what);
}

/// What hinders it, as far as the kernel tells.
std::string hindrances(const ProcessMetrics& metrics) {
  std::vector<std::string> parts;
  const auto add = [&](std::string_view what, const std::optional<double>& seconds) {
    if (seconds) parts.push_back(fmt::format("{} {:.3f} s", what, *seconds));
  };
  add("threads waited for a CPU", metrics.run_delay_seconds);
  add("throttled", metrics.throttled_seconds);
  add("CPU pressure", metrics.cpu_pressure_seconds);
  add("memory pressure", metrics.memory_pressure_seconds);
  add("disk pressure", metrics.io_pressure_seconds);
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// The other releases of a folder, newest name last.
std::vector<std::string> other_releases(const fs::path& folder, const std::string& but) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (it->is_directory(error) && name != but && is_release_name(name))
      names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

/// The group that may read a log is the way in: nobody need open it to the world.
std::string fix_of_log(const fs::path& log) {
  struct stat info {};
  if (::stat(log.c_str(), &info) != 0)
    return errno == EACCES ? fmt::format("let the agent's user into {}: setfacl -m u:serin:x {}",
                                         log.parent_path().string(), log.parent_path().string())
                           : "correct `path`, or start the server that makes it";
  if ((info.st_mode & S_IRGRP) == 0) return fmt::format("chmod g+r {}", log.string());
  const group* owner = ::getgrgid(info.st_gid);
  const std::string name = owner == nullptr ? std::to_string(info.st_gid) : owner->gr_name;
  if (name == "adm") return "usermod -aG adm serin, or SupplementaryGroups=adm in the unit";
  return fmt::format(
      "chgrp adm {}, or a drop-in for serin-agent.service with "
      "SupplementaryGroups={}",
      log.string(), name);
}

/// By the first word of the helper's reason, which names the refusal.
std::string fix_of_readiness(std::string_view text) {
  auto is = [&](std::string_view refusal) { return text.starts_with(refusal); };
  if (is("held")) return "remove the file in /etc/serin that holds it, when whoever made it agrees";
  if (is("target")) return "keep an older release that can be started: its files whole and root's";
  if (is("action")) return "correct the [[rollback]] of the service's file";
  if (is("ambiguous")) return "restart the service, so that one version runs for certain";
  if (is("not_running")) return "start the service";
  if (is("service"))
    return "the service's file must be root's, with mode 0644, where the helper looks";
  return "`journalctl -u serin-rollback` says more";
}

}  // namespace

void ServiceCheck::first(const Moment& now) {
  first_ = now;
  if (!units().empty()) return;  // they are told of by the manager
  auto finder = make_finder(service_);
  if (!finder) {
    find_problem_ = finder.error().message;
    return;
  }
  auto found = (*finder)->find(now);
  if (!found) {
    find_problem_ = found.error().message;
  } else if (*found && !(*found)->already_ended) {
    process_ = **found;
    look_at(process_->pid, {});
  }
}

void ServiceCheck::look_at(int32_t pid, const CgroupFolders& cgroup) {
  auto probe = ServiceProbe::open(pid, cgroup, ProcessProbe::for_this_machine());
  if (!probe) return;
  probe_.emplace(std::move(*probe));
  reading_ = probe_->read();
  sockets_ = std::make_unique<SocketCheck>(
      SocketOwner{.pid = pid, .cgroup = cgroup.main, .ports = service_.ports}, first_.boot_us);
}

std::vector<std::string> ServiceCheck::units() const {
  const auto* by = std::get_if<ServiceFile::ByUnit>(&service_.process);
  return by == nullptr ? std::vector<std::string>{} : by->units;
}

void ServiceCheck::take(const UnitWord& word) {
  if (word.whence == UnitWord::Whence::signal) return;
  words_[word.unit] = word;
  auto folders = cgroup_folders(cgroups_, word.cgroup);
  int32_t pid = word.main_pid;
  if (pid == 0 && word.is_active())
    for (int32_t oldest : cgroup_processes(folders.main, 1)) pid = oldest;
  if (pid == 0 || process_) return;
  look_at(pid, folders);
  uint64_t ticks = probe_ ? probe_->start_ticks() : 0;
  if (ticks == 0) ticks = ticks_of_wall(word.main_start_wall_us, first_);
  process_ = FoundProcess{.pid = pid, .start_ticks = ticks};
  unit_generation_ = fmt::format("{}:{}", word.unit, word.invocation);
}

void ServiceCheck::say_units() {
  for (const auto& unit : units()) {
    auto word = words_.find(unit);
    auto known = word == words_.end() ? std::nullopt : std::optional(word->second);
    for (auto& line : check_unit(unit, known, unit_problem_, cgroups_))
      lines_.push_back(std::move(line));
  }
}

std::vector<ServiceCheck::Line> ServiceCheck::second(const Moment& now,
                                                     const VersionJournal& journal,
                                                     const HelperWord& helper) {
  say_units();
  say_process(now);
  say_version(now, helper);
  say_metrics();
  say_sockets(now);
  if (service_.requests.empty())
    say(Mark::note, "requests",
        "none configured: only the process is watched, no errors and no latency",
        "add a [[requests]]: `serin-agent discover --unit UNIT --probe` proposes one");
  for (size_t i = 0; i < service_.requests.size(); ++i)
    service_.requests[i].source == "recorder" ? say_recorder(i, now) : say_requests(i);
  say_business();
  say_rollback(journal, helper);
  return std::move(lines_);
}

void ServiceCheck::say_process(const Moment& now) {
  if (!find_problem_.empty())
    return say(Mark::bad, "process", find_problem_,
               "correct pid_file or exe in the service's file");
  if (!process_) {
    std::string where = "nothing runs";
    if (const auto* by = std::get_if<ServiceFile::ByPidFile>(&service_.process))
      where = fmt::format("nothing runs: {} names no living process", by->path.string());
    if (const auto* by = std::get_if<ServiceFile::ByExe>(&service_.process))
      where = fmt::format("nothing runs: no process has the executable {}", by->path.string());
    if (!units().empty() && words_.size() < units().size())
      where = "cannot be seen: without systemd's word nobody knows which one it is";
    return say(Mark::bad, "process", where,
               units().empty() ? "start it, or correct pid_file or exe in the service's file"
                               : fmt::format("systemctl start {}", units().front()));
  }
  Moment start = moment_of_ticks(process_->start_ticks, now);
  say(Mark::good, "process",
      fmt::format("pid {}, started {} ago, generation {}", process_->pid,
                  ago(now.boot_us - start.boot_us), generation()));
}

std::string ServiceCheck::generation() const {
  if (!unit_generation_.empty()) return unit_generation_;
  return fmt::format("{}:{}:{}", boot_id_, process_->pid, process_->start_ticks);
}

void ServiceCheck::say_version(const Moment& now, const HelperWord& helper) {
  if (service_.version_is_asked()) return say_asked_version(helper);
  VersionSource source(service_);
  source.look();
  if (!source.problem().empty())
    say(Mark::bad, "version", source.problem(),
        "correct `version` in the service's file, or let the agent's user read what it names");
  std::string selected = source.selected();
  if (process_) {
    auto running = running_release(process_->pid, source.releases());
    std::string how = fmt::format("its program lies below {}", source.releases().string());
    if (running.version.empty() && helper.inspect && !helper.inspect->version.empty()) {
      running.version = helper.inspect->version;
      how = "the helper looked";
    } else if (running.version.empty()) {
      auto as_of = source.history().as_of(moment_of_ticks(process_->start_ticks, now).wall_us);
      how = fmt::format("as {} said when the process started", source.path().string());
      if (as_of && !as_of->ambiguous) running.version = as_of->version;
    }
    running_version_ = running.version;
    if (running.version.empty()) {
      say(Mark::bad, "version",
          fmt::format("cannot be told: {}{}",
                      running.forbidden ? "the process is another user's, so the helper must look; "
                                        : "the program lies in no release; ",
                      source.path().empty()
                          ? "no link or file is configured"
                          : source.path().string() + " changed at or after the process's start"),
          running.forbidden ? "start the helper: systemctl enable --now serin-rollback.socket"
          : source.path().empty()
              ? "start the helper, which reads build-ids, or give `version` a link, file or package"
              : "restart the service after a change of it, so that one belongs to the other");
    } else {
      say(Mark::good, "version", fmt::format("{} runs ({})", running.version, how));
    }
  }
  if (selected.empty()) return;
  bool other = !running_version_.empty() && selected != running_version_;
  say(other ? Mark::note : Mark::good, "selected",
      fmt::format("{} is what the next start takes", selected),
      other ? "restart the service, if that is what should run" : "");
}

void ServiceCheck::say_metrics() {
  if (!probe_ || !reading_) return;
  auto later = probe_->read();
  if (!later)
    return say(Mark::bad, "metrics", "the process ended meanwhile",
               "is it in a crash loop? Look again when it stays up");
  ProcessMetrics metrics = difference(*reading_, *later);
  say(Mark::good, "metrics",
      fmt::format("{:.3f} s CPU in this second, {}, {}, {}{}", metrics.cpu_seconds.value_or(0),
                  number_or_absent("MB resident", metrics.rss_bytes, 1'000'000),
                  number_or_absent("threads", metrics.threads),
                  number_or_absent("open files", metrics.fds),
                  metrics.fd_limit ? fmt::format(" of {}", *metrics.fd_limit) : ""));
  if (metrics.memory_bytes || metrics.processes)
    say(Mark::good, "unit",
        fmt::format("{}, {}, killed for memory: {}",
                    number_or_absent("processes", metrics.processes),
                    number_or_absent("MB with page cache", metrics.memory_bytes, 1'000'000),
                    later->oom_kills ? std::to_string(*later->oom_kills) : "not known"));
  if (const std::string waits = hindrances(metrics); !waits.empty())
    say(Mark::good, "waits", waits + " in this second");
  for (const auto& absent : probe_->absent())
    say(Mark::note, "cannot see", fmt::format("{}: {}", absent.metric, absent.reason),
        "nothing need be done: it is then not judged; watch by `unit` to see most of a unit's");
}

void ServiceCheck::say_sockets(const Moment& now) {
  if (!sockets_) return;
  if (auto seen = sockets_->look(now.boot_us); !seen.empty())
    say(Mark::good, "sockets", std::move(seen));
  for (const auto& absent : sockets_->absent())
    say(Mark::note, "cannot see", fmt::format("{}: {}", absent.metric, absent.reason),
        "watch it by its `unit`, or name its `ports`; without, sockets are not judged");
}

void ServiceCheck::say_requests(size_t index) {
  const auto& requests = service_.requests[index];
  if (requests.source == "prometheus") return say_page(index);
  if (requests.source == "probe") return say_probe(index);
  if (requests.source == "statsd")
    return say(Mark::good, "requests", fmt::format("by statsd to {}{}", requests.listen,
                           requests.counts_requests() ? "" : ", of the business alone"));
  say_log(index);
}

void ServiceCheck::say_page(size_t index) {
  const auto& requests = service_.requests[index];
  std::string url =
      fmt::format("http://{}:{}{}", requests.url.host, requests.url.port, requests.url.target);
  auto report = scrape_once(service_, index);
  if (!report)
    return say(Mark::bad, "requests", fmt::format("{}: {}", url, report.error().message),
               fmt::format("does `curl {}` answer here? Else correct url", url));
  say(report->series == 0 ? Mark::bad : Mark::good, "requests",
      fmt::format("{}: {} of its {} series are meant", url, report->series, report->lines),
      report->series == 0 ? fmt::format("name counters that `curl {}` shows", url) : "");
  if (!requests.latency.empty() && report->edges.empty())
    say(Mark::note, "cannot see", "latency: no classic histogram of that name is on the page",
        "name a metric of which the page has NAME_bucket lines");
  if (report->edges.empty()) return;
  double widest = 1;
  for (size_t i = 1; i < report->edges.size(); ++i)
    if (report->edges[i - 1] > 0)
      widest = std::max(widest, report->edges[i] / report->edges[i - 1]);
  say(Mark::note, "latency",
      fmt::format("known to the histogram's own {} edges, {} s to {} s: within a factor of {:.3g}",
                  report->edges.size(), report->edges.front(), report->edges.back(), widest),
      "nothing need be done; more buckets in the application show smaller changes");
}

void ServiceCheck::say_log(size_t index) {
  const auto& requests = service_.requests[index];
  LogFormat::Wanted wanted{.version_field = requests.version_field, .fields = {}};
  for (const auto& business : service_.business)
    if (business.field) wanted.fields.push_back(*business.field);
  for (const auto& one : service_.classes)
    if (one.field) wanted.fields.push_back(*one.field);
  auto format = LogFormat::compile(requests.format, wanted);
  if (!format)
    return say(Mark::bad, "requests", format.error().message,
               "copy the log_format as the server's configuration has it, or name a preset");
  if (requests.source == "syslog")
    return say(Mark::good, "requests",
               fmt::format("by syslog to {} with the tag {}{}", requests.listen, requests.tag,
                           format->has_latency() ? "" : "; no latency, as the format has none"));
  auto reader = LineReader::open(requests.path);
  if (!reader) return say(Mark::bad, "requests", reader.error().message, fix_of_log(requests.path));
  uint64_t size = reader->size();
  reader->seek(size > kLogBytes ? size - kLogBytes : 0);
  uint64_t lines = 0, parsed = 0, errors = 0;
  std::string example;
  LogFields fields;
  LineCounts counts;
  auto look = [&](std::string_view line) {
    ++lines;
    if (!format->parse(line, fields)) {
      example = line.substr(0, 120);
      return;
    }
    ++parsed;
    if (fields.status.value_or(0) == 0 || *fields.status >= 500) ++errors;
  };
  reader->read(look, kLogBytes, counts);
  if (lines == 0)
    return say(Mark::note, "requests", fmt::format("{}: empty so far", requests.path.string()),
               "send one request and look again: the format is tried on real lines");
  say(parsed * 2 < lines ? Mark::bad : Mark::good, "requests",
      fmt::format("{}: {} of the last {} lines have the format, {} of them errors",
                  requests.path.string(), parsed, lines, errors),
      parsed * 2 < lines ? "make `format` what the server writes: see the line below" : "");
  if (!example.empty())
    say(Mark::note, "requests", fmt::format("a line without the format: {}", example),
        "lines of other kinds are skipped and counted; many of them mean another format");
  if (!format->has_latency())
    say(Mark::note, "cannot see", "latency: the log format has no $request_time",
        "append $request_time (nginx) or %D (Apache) to the server's format, then here");
  if (!format->has_time())
    say(Mark::note, "cannot see",
        "when a request ended: the log format has no time, the moment of reading is taken",
        "put $time_local or $msec into the format");
}

void ServiceCheck::say_recorder(size_t index, const Moment& now) {
  Timeline timeline;
  if (process_)
    timeline.begin(generation(), "", moment_of_ticks(process_->start_ticks, now).wall_us);
  for (auto& line : check_recorder(service_, index, timeline, boot_id_))
    lines_.push_back(std::move(line));
}

void ServiceCheck::say_business() {
  for (const auto& business : service_.business)
    if (!business.has_source())
      say(Mark::note, "cannot see",
          fmt::format("{}: no log field or metric is configured for it", business.name),
          "give it `field` and `equals`, or `metric`");
}

void ServiceCheck::say_rollback(const VersionJournal& journal, const HelperWord& helper) {
  if (service_.rollback.empty())
    return say(Mark::note, "rollback", "none configured: Serin can only tell, not act",
               "add a [[rollback]]: serin-service(5)");
  const auto& action = service_.rollback.front();
  if (!helper.inspect)
    say(Mark::bad, "rollback", fmt::format("the helper: {}", helper.inspect.error().message),
        "systemctl enable --now serin-rollback.socket");
  if (helper.inspect && helper.inspect->answer == HelperAnswer::refused)
    say(Mark::bad, "rollback", fmt::format("the helper refuses: {}", helper.inspect->text),
        fmt::format("the service's file must be root's and nobody else's to write: chown root: and "
                    "chmod 0644; `journalctl -u serin-rollback` says more"));
  if (action.action == "release_symlink") say_link(action, journal);
  for (const auto& each : service_.rollback) say_action(each);
  if (helper.status) say_preflight(*helper.status);
}

/// What the helper would do, as far as that can be told from its file. Whether it would work is the
/// helper's to say.
void ServiceCheck::say_action(const ServiceFile::Rollback& action) {
  std::error_code error;
  if (action.action == "command") {
    bool there = !action.argv.empty() && fs::exists(action.argv[0], error);
    say(there ? Mark::good : Mark::bad, "rollback",
        fmt::format("runs {}{}", fmt::join(action.argv, " "), there ? "" : ": no such program"),
        there ? "" : "install it, or correct `command`");
  } else if (action.action == "package") {
    say(Mark::note, "rollback",
        fmt::format("puts package {} back; apt or dnf is asked whether it could only when it must",
                    fmt::join(action.packages, ", ")),
        fmt::format("try `apt-get --simulate install --allow-downgrades {}=VERSION`",
                    action.packages.front()));
  } else if (action.action == "flag") {
    bool there = fs::exists(action.flag.file, error) || error;
    say(there ? Mark::note : Mark::bad, "rollback",
        fmt::format("turns flag {} off in {}{}", action.flag.name, action.flag.file.string(),
                    there ? "; the version then runs on" : ": no such file"),
        there ? "put an action behind it that changes the version, for when that does not help"
              : "correct `file`");
  }
}

/// The first action that could work now, or why none could.
void ServiceCheck::say_preflight(const HelperReply& status) {
  switch (status.ready) {
    case Ready::yes:
      say(Mark::good, "preflight",
          fmt::format("the helper could go back to {} now", status.ready_target));
      break;
    case Ready::no:
      say(Mark::bad, "preflight", "the helper could not go back now: " + status.ready_text,
          fix_of_readiness(status.ready_text));
      break;
    case Ready::unknown:
      if (!status.ready_text.empty())
        say(Mark::note, "preflight", status.ready_text,
            "the first version that passes becomes one; `serinctl drill` rehearses it");
      break;
  }
}

void ServiceCheck::say_link(const ServiceFile::Rollback& action, const VersionJournal& journal) {
  std::error_code error;
  fs::path link = action.link;
  if (const auto* symlink = std::get_if<ServiceFile::VersionSymlink>(&service_.version);
      symlink && link.empty())
    link = symlink->link;
  auto value = read_version_link(link, action.releases);
  if (!value)
    return say(Mark::bad, "rollback", value.error().message,
               "the link must lead to a folder in `releases`: ln -sfn");
  if (!fs::is_directory(action.releases / value->version, error))
    return say(Mark::bad, "rollback",
               fmt::format("{} leads to {}, which is not in {}", link.string(), value->version,
                           action.releases.string()),
               "correct `releases`: it is the folder that the link's target lies in");
  const std::string& current = running_version_.empty() ? value->version : running_version_;
  const GenerationRecord* last = journal.last(service_.name);
  std::string previous = last == nullptr            ? std::string{}
                         : last->version != current ? last->version
                                                    : last->previous;
  if (!previous.empty() && fs::is_directory(action.releases / previous, error))
    return say(Mark::good, "rollback",
               fmt::format("would work: {} could be put back to {}, which ran before it", current,
                           previous));
  auto others = other_releases(action.releases, current);
  if (others.empty())
    return say(Mark::bad, "rollback",
               fmt::format("{} holds no release but {}", action.releases.string(), current),
               "let the deploy keep the release before it there");
  say(Mark::note, "rollback",
      previous.empty()
          ? fmt::format("what ran before {} is not known yet; in {}: {}", current,
                        action.releases.string(), fmt::join(others, ", "))
          : fmt::format("{} ran before {} and is gone from {}; there are: {}", previous, current,
                        action.releases.string(), fmt::join(others, ", ")),
      "it becomes known at the next deploy; keep at least two releases");
}

}  // namespace serin::agent
