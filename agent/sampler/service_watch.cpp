#include "agent/sampler/service_watch.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/recorder/source.h"
#include "common/log.h"

namespace serin::agent {
namespace {

// While nothing runs: fast enough that a crash loop of one start a second shows each start, slower
// after a minute.
constexpr uint64_t kFastLookMs = 50, kSlowLookMs = 200, kFastLooksUs = 60'000'000;
constexpr uint64_t kUnitWordMs = 80;  // an end is to be known within 100 ms, with or without a word
constexpr uint64_t kOldStartUs =
    600'000'000;  // a start longer ago is told as of now: the stream drops old messages

Result<std::unique_ptr<RequestSource>> make_recorder_source(
    const ServiceFile& service, size_t index, const ServiceWatch::Environment& environment) {
  return RecorderSource::make(
      service, index,
      {.state_dir = environment.state_dir,
       .judge = {.boot_id = environment.boot_id, .proc = environment.probe.root}},
      environment.clock);
}

}  // namespace

Result<std::unique_ptr<ServiceWatch>> ServiceWatch::make(ServiceFile service,
                                                         Environment environment) {
  std::unique_ptr<ServiceFinder> finder;
  if (!std::holds_alternative<ServiceFile::ByUnit>(service.process)) {
    auto made = make_finder(service);
    if (!made) return std::unexpected(made.error());
    finder = std::move(*made);
  } else if (environment.units == nullptr) {
    return fail(service.name + ": no unit manager to ask about its unit");
  }
  SourceSetting setting{.state_dir = environment.state_dir,
                        .boot_id = environment.boot_id,
                        .datagrams = environment.datagrams,
                        .wall_us = [clock = &environment.clock] { return clock->now().wall_us; },
                        .loop = environment.loop};
  Sources sources;
  for (size_t i = 0; i < service.requests.size(); ++i) {
    auto source = service.requests[i].source == "recorder"
                      ? make_recorder_source(service, i, environment)
                      : make_request_source(service, i, setting);
    if (!source) return std::unexpected(source.error());
    sources.push_back(std::move(*source));
  }
  auto question = make_version_question(service, environment.loop, environment.units);
  if (!question) return std::unexpected(question.error());
  auto inquiry = *question ? std::make_unique<VersionInquiry>(environment.loop, std::move(*question))
                           : nullptr;
  return std::unique_ptr<ServiceWatch>(new ServiceWatch(std::move(service), std::move(environment),
                                                        std::move(finder), std::move(inquiry),
                                                        std::move(sources)));
}

ServiceWatch::ServiceWatch(ServiceFile service, Environment environment,
                           std::unique_ptr<ServiceFinder> finder,
                           std::unique_ptr<VersionInquiry> inquiry, Sources sources)
    : service_(std::move(service)),
      env_(std::move(environment)),
      finder_(std::move(finder)),
      source_(service_),
      announcer_(
          env_.loop, env_.clock, service_.name, source_, env_.journal, env_.helper,
          [this](const GenerationRecord& record, bool repeated) { announce(record, repeated); },
          std::move(inquiry)),
      phases_(std::ranges::any_of(sources,
                                  [](const auto& source) { return source->counts_requests(); })),
      flow_(
          [this](Sample sample, uint64_t end_us) { env_.uplink.send(std::move(sample), end_us); }),
      tallies_(service_.business.size()),
      sources_(std::move(sources)),
      look_timer_(env_.loop, [this] { look(); }),
      word_timer_(env_.loop, [this] { unit_->give_up(); }) {
  if (service_.dead_man) cut_off_.emplace(service_.dead_man->within_seconds);
  for (auto& source : sources_) source->start(timeline_, tallies_);
  if (env_.facts != nullptr) {
    facts_.emplace(*env_.facts, service_.name, service_.config, env_.helper, env_.roots);
  }
  if (env_.names == nullptr) return;
  if (!source_.path().empty()) env_.names->add(source_.path(), [this] { source_.look(); });
  if (!finder_) return;
  for (const auto& sign : finder_->signs())
    env_.names->add(sign, [this] { running_ ? look_whether_replaced() : look(); });
}

ServiceWatch::~ServiceWatch() = default;

// ---- starts and ends

void ServiceWatch::start() {
  Moment now = env_.clock.now();
  cut_at_ = now;
  first_interval(now);
  source_.look();
  // What ran when the agent before this one looked last owns the lines that it did not get to read.
  if (const GenerationRecord* last = env_.journal.last(service_.name))
    span_ = timeline_.begin(last->generation, last->version, last->start_us);
  if (std::holds_alternative<ServiceFile::ByUnit>(service_.process)) {
    // Its first word comes in a moment; what the logs hold from before belongs to what it tells.
    follow_unit();
    if (cut_at_.boot_us != now.boot_us) return;
  } else {
    look();
    if (!running_) {
      open_empty_span(now);
      wait_for_start();
    }
  }
  poll_sources(now);  // from here on every line is ours
}

/// After a restart of the agent the logs hold what came in while it was away: the first interval
/// begins there.
void ServiceWatch::first_interval(const Moment& now) {
  for (const auto& source : sources_) {
    auto from = source->resumed_from_us();
    if (!from || *from >= now.boot_us || now.boot_us - *from > kOldStartUs) continue;
    cut_at_.boot_us = std::min(cut_at_.boot_us, *from);
  }
}

void ServiceWatch::look() {
  Moment now = env_.clock.now();
  if (!finder_ || running_ || now.boot_us - last_look_us_ < finder_->least_interval_us()) return;
  last_look_us_ = now.boot_us;
  auto process = finder_->find(now);
  std::string problem = process ? std::string{} : process.error().message;
  if (problem != problem_ && !problem.empty()) log::warning("{}: {}", service_.name, problem);
  problem_ = std::move(problem);
  if (process && *process) found(**process, now);
}

/// A service that replaces itself writes its successor's pid while it still runs: from then on the
/// successor is the service, and the old process's end was asked for.
void ServiceWatch::look_whether_replaced() {
  auto process = finder_->find(env_.clock.now());
  if (!process || !*process || (*process)->already_ended) return;
  bool same = (*process)->pid == running_->start.pid &&
              (*process)->start_ticks == running_->probe.start_ticks();
  if (same) return;
  end_generation({.asked = true});
  found(**process, env_.clock.now());
  if (!running_) wait_for_start();
}

void ServiceWatch::found(const FoundProcess& process, const Moment& now) {
  Start start = start_of(process, now);
  if (!process.already_ended) {
    auto probe = ServiceProbe::open(process.pid, {}, env_.probe);
    if (probe && probe->start_ticks() == process.start_ticks)
      return begin(std::move(start), std::move(*probe), now);
  }
  const GenerationRecord* last = env_.journal.last(service_.name);
  if (last != nullptr && last->generation == start.generation) return;
  announce_ended(start);
  send_died(start.generation, {}, now);
  ended_us_ = now.boot_us;
}

/// It came and went between two looks: its start is told all the same, before its end.
void ServiceWatch::announce_ended(const Start& start) {
  announcer_.begin(
      {.generation = start.generation, .pid = start.pid, .start = start.at, .gone = true});
}

void ServiceWatch::begin(Start start, ServiceProbe probe, const Moment& now) {
  look_timer_.stop();
  const Timeline::Span* last = timeline_.last();
  if (last == nullptr || last->generation != start.generation) {
    uint32_t new_span = timeline_.begin(start.generation, "", start.at.wall_us);
    if (last != nullptr && last->generation.empty())
      cut(now, std::nullopt);  // the time in which nothing ran
    span_ = new_span;
  }
  cut_at_.boot_us = std::max(cut_at_.boot_us, std::min(start.at.boot_us, now.boot_us));
  running_.emplace(Running{.start = std::move(start),
                           .probe = std::move(probe),
                           .sockets = {},
                           .exit = {},
                           .last = {},
                           .last_oom_kills = {},
                           .version = {},
                           .ambiguous = false,
                           .ended = {}});
  running_->last = running_->probe.read();
  watch_sockets(now);
  phases_.started(running_->start.at.boot_us, now.boot_us);
  watch_exit();
  announcer_.begin({.generation = running_->start.generation,
                    .pid = running_->start.pid,
                    .start = running_->start.at,
                    .gone = false});
}

/// What is counted from here on needs a first look to count from.
void ServiceWatch::watch_sockets(const Moment& now) {
  if (env_.sockets == nullptr) return;
  running_->sockets.emplace(SocketOwner{.pid = running_->start.pid,
                                        .cgroup = running_->probe.cgroup(),
                                        .ports = service_.ports},
                            *env_.sockets);
  running_->sockets->look(now.boot_us);
}

void ServiceWatch::watch_exit() {
  auto exit = ExitWatch::start(env_.loop, running_->start.pid,
                               [this](ExitStatus status) { ended(status); });
  if (exit) {
    running_->exit = std::move(*exit);
  } else {
    log::warning("{}: {}; its end will be seen at the next second", service_.name,
                 exit.error().message);
  }
}

void ServiceWatch::ended(ExitStatus status) {
  if (!running_ || running_->ended) return;
  if (unit_) {
    running_->last_oom_kills = running_->probe.oom_kills();  // before its group is removed
    // The unit knows how and why. It says so in a moment.
    running_->exit.reset();
    running_->ended = env_.clock.now();
    word_timer_.start(kUnitWordMs);
    return unit_->process_ended(status);
  }
  end_generation({.status = status});
  look();
  if (!running_) wait_for_start();
}

void ServiceWatch::end_generation(const Ending& ending) {
  Moment now = env_.clock.now();
  announcer_.finish();
  cut(now, std::nullopt);
  flow_.flush();
  commit_sources(now);
  if (facts_) facts_->ended();
  Running gone = std::move(*running_);
  running_.reset();
  phases_.ended();
  open_empty_span(now);
  ended_us_ = now.boot_us;
  send_died(gone.start.generation, ending, gone.ended.value_or(now));
}

void ServiceWatch::open_empty_span(const Moment& now) {
  span_ = timeline_.begin("", "", now.wall_us);
}

void ServiceWatch::wait_for_start() {
  if (!finder_) return;
  uint64_t now_us = env_.clock.now().boot_us;
  bool fast = ended_us_ != 0 && now_us - ended_us_ < kFastLooksUs;
  uint64_t least_ms = finder_->least_interval_us() / 1000;
  look_timer_.start(std::max(least_ms, fast ? kFastLookMs : kSlowLookMs),
                    std::max(least_ms, fast ? kFastLookMs : kSlowLookMs));
}

Event ServiceWatch::event(EventKind kind, const Moment& now) const {
  Event event;
  event.service = service_.name;
  event.kind = kind;
  event.wall_us = now.wall_us;
  event.selected = source_.selected();
  return event;
}

void ServiceWatch::announce(const GenerationRecord& record, bool repeated) {
  Moment now = env_.clock.now();
  if (running_ && running_->start.generation == record.generation) {
    running_->version = record.version;
    running_->ambiguous = record.ambiguous || record.version.empty();
    timeline_.name_version(span_, record.version);
  }
  Event told = event(record.kind, now);
  told.version = record.version;
  told.previous = record.previous;
  told.generation = record.generation;
  told.cause = record.cause;
  told.artefact = record.artefact;
  told.same_name = record.same_name;
  told.ambiguous = record.ambiguous || record.version.empty();
  Moment start{.boot_us = now.boot_us - static_cast<uint64_t>(
                                            std::max<int64_t>(now.wall_us - record.start_us, 0)),
               .wall_us = record.start_us};
  bool old = now.wall_us - record.start_us > static_cast<int64_t>(kOldStartUs);
  if (!old) told.wall_us = start.wall_us;
  env_.uplink.send(std::move(told), old ? now.boot_us : start.boot_us);
  if (!old) flow_.hurry(now.boot_us);
  tell_facts(record, now);
  const bool other_version = record.kind == EventKind::version_started;
  if (other_version || version_since_us_ == 0) version_since_us_ = record.start_us;
  if (other_version) answers_ = false;
  if (other_version && env_.helper.started) env_.helper.started(service_.name);
  log::info("{}: {} {} as {}{}{}", service_.name,
            record.version.empty() ? "an unknown version" : record.version,
            repeated ? "still runs" : "started", record.generation,
            announcer_.doubt().empty() ? "" : "; ", announcer_.doubt());
}

/// Who watches the new version has to know on what it runs, and at once.
void ServiceWatch::tell_facts(const GenerationRecord& start, const Moment& now) {
  if (!facts_) return;
  if (running_ && running_->start.generation == start.generation) {
    facts_->started(running_->start.pid, now);
  }
  if (start.kind == EventKind::version_started) {
    if (env_.look_at_host) env_.look_at_host(now);
    env_.facts->tell_all();
  }
  env_.facts->turn(now);
}

void ServiceWatch::send_died(const std::string& generation, const Ending& ending,
                             const Moment& at) {
  Event died = event(EventKind::process_died, at);
  const GenerationRecord* last = env_.journal.last(service_.name);
  if (last != nullptr && last->generation == generation) died.version = last->version;
  died.generation = generation;
  died.exit_code = ending.status.exit_code;
  died.signal = ending.status.signal;
  died.reason = ending.reason;
  // Asked for: by whoever stopped the unit, by the helper; and where nobody says, as the next start
  // would take another version, by whoever switched to that.
  bool acting = env_.helper.acting && env_.helper.acting(service_.name);
  bool other_selected =
      !died.selected.empty() && !died.version.empty() && died.selected != died.version;
  died.expected = acting || ending.asked.value_or(other_selected);
  log::info("{}: {} ended{}{}{}", service_.name, generation, died.expected ? ", as asked for" : "",
            ending.reason.empty() ? "" : ": ", ending.reason);
  env_.uplink.send(std::move(died), at.boot_us);
}

ServiceWatch::Start ServiceWatch::start_of(const FoundProcess& process, const Moment& now) const {
  return {.generation = fmt::format("{}:{}:{}", env_.boot_id, process.pid, process.start_ticks),
          .pid = process.pid,
          .at = moment_of_ticks(process.start_ticks, now)};
}

void ServiceWatch::watch_cut_off(const Moment& now) {
  if (!cut_off_) return;
  CutOff::Seen seen{.now_us = now.boot_us,
                    .uplink = env_.uplink.stats(),
                    .version_age_us = {},
                    .well = running_ && answers_};
  if (version_since_us_ != 0 && now.wall_us >= version_since_us_)
    seen.version_age_us = static_cast<uint64_t>(now.wall_us - version_since_us_);
  if (cut_off_->observe(seen) && env_.helper.cut_off) env_.helper.cut_off(service_.name);
}

void ServiceWatch::tick(const Moment& now) {
  source_.look();
  if (facts_) facts_->tick(now);
  if (running_) {
    auto reading = running_->probe.read();
    if (!reading) {
      ended({});
    } else if (!announcer_.holds_samples()) {
      if (announcer_.is_open()) flow_.hurry(now.boot_us);  // it is young
      cut(now, reading);
    }
  } else {
    bool first_span_open = timeline_.last() != nullptr && timeline_.last()->generation.empty();
    if (unit_ && unit_->heard() && !first_span_open) open_empty_span(now);
    cut(now, std::nullopt);
    if (look_timer_.active()) wait_for_start();
    look();
  }
  watch_cut_off(now);
  if (flow_.is_empty()) commit_sources(now);
}

void ServiceWatch::attention(uint32_t interval_ms, uint32_t lasting_seconds) {
  flow_.attention(env_.clock.now().boot_us, interval_ms, lasting_seconds);
}

void ServiceWatch::farewell(const Moment& now) {
  announcer_.finish();
  cut(now, running_ ? running_->probe.read() : std::nullopt);
  flow_.flush();
  commit_sources(now);
  Event final = event(EventKind::final_, now);
  if (running_) {
    final.generation = running_->start.generation;
    final.version = running_->version;
  }
  env_.uplink.send(std::move(final), now.boot_us);
}

std::string_view ServiceWatch::version() const {
  return running_ ? std::string_view(running_->version) : std::string_view{};
}

uint64_t ServiceWatch::lines_skipped() const {
  uint64_t sum = 0;
  for (const auto& source : sources_) sum += source->skipped();
  return sum;
}

}  // namespace serin::agent
