#include "agent/sampler/service_watch.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/log.h"

namespace serin::agent {
namespace {

// While nothing runs: fast enough that a crash loop of one start a second shows each start, slower
// after a minute.
constexpr uint64_t kFastLookMs = 50, kSlowLookMs = 200, kFastLooksUs = 60'000'000;
constexpr uint64_t kMostIntervalUs = 3'600'000'000;  // the wire's limit: a host that was asleep
constexpr uint64_t kOldStartUs =
    600'000'000;  // a start longer ago is told as of now: the stream drops old messages

bool has_field(const ServiceFile::Business& business) {
  return business.field.has_value();
}

}  // namespace

Result<std::unique_ptr<ServiceWatch>> ServiceWatch::make(ServiceFile service,
                                                         Environment environment) {
  auto finder = make_finder(service);
  if (!finder) return std::unexpected(finder.error());
  std::vector<AccessLog> logs;
  for (size_t i = 0; i < service.requests.size(); ++i) {
    auto log = AccessLog::make(service, i, environment.state_dir, environment.boot_id);
    if (!log) return std::unexpected(log.error());
    logs.push_back(std::move(*log));
  }
  return std::unique_ptr<ServiceWatch>(new ServiceWatch(std::move(service), std::move(environment),
                                                        std::move(*finder), std::move(logs)));
}

ServiceWatch::ServiceWatch(ServiceFile service, Environment environment,
                           std::unique_ptr<ServiceFinder> finder, std::vector<AccessLog> logs)
    : service_(std::move(service)),
      env_(std::move(environment)),
      finder_(std::move(finder)),
      logs_(std::move(logs)),
      source_(service_),
      announcer_(
          env_.loop, env_.clock, service_.name, source_, env_.journal, env_.helper,
          [this](const GenerationRecord& record, bool repeated) { announce(record, repeated); }),
      phases_(!logs_.empty()),
      flow_(
          [this](Sample sample, uint64_t end_us) { env_.uplink.send(std::move(sample), end_us); }),
      tallies_(service_.business.size()),
      look_timer_(env_.loop, [this] { look(); }) {
  if (env_.names == nullptr) return;
  if (!source_.path().empty()) env_.names->add(source_.path(), [this] { source_.look(); });
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
  look();
  if (!running_) {
    span_ = timeline_.begin("", "", now.wall_us);
    wait_for_start();
  }
  poll_logs(now);  // from here on every line is ours
}

/// After a restart of the agent the logs hold what came in while it was away: the first interval
/// begins there.
void ServiceWatch::first_interval(const Moment& now) {
  for (const auto& log : logs_) {
    auto from = log.resumed_from_us();
    if (!from || *from >= now.boot_us || now.boot_us - *from > kOldStartUs) continue;
    cut_at_.boot_us = std::min(cut_at_.boot_us, *from);
  }
}

void ServiceWatch::look() {
  Moment now = env_.clock.now();
  if (running_ || now.boot_us - last_look_us_ < finder_->least_interval_us()) return;
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
  const FoundProcess& known = running_->process;
  if ((*process)->pid == known.pid && (*process)->start_ticks == known.start_ticks) return;
  end_generation({}, End::replaced);
  found(**process, env_.clock.now());
  if (!running_) wait_for_start();
}

void ServiceWatch::found(const FoundProcess& process, const Moment& now) {
  if (process.already_ended) return found_ended(process, now);
  auto probe = ProcessProbe::open(process.pid, env_.probe);
  if (!probe || probe->start_ticks() != process.start_ticks) return found_ended(process, now);
  begin(process, std::move(*probe), now);
}

/// It came and went between two looks: both are told, one after the other.
void ServiceWatch::found_ended(const FoundProcess& process, const Moment& now) {
  std::string generation = generation_of(process);
  const GenerationRecord* last = env_.journal.last(service_.name);
  if (last != nullptr && last->generation == generation) return;
  announcer_.begin({.generation = generation,
                    .pid = process.pid,
                    .start = moment_of_ticks(process.start_ticks, now),
                    .gone = true});
  last = env_.journal.last(service_.name);
  bool known = last != nullptr && last->generation == generation;
  send_died(generation, known ? last->version : std::string{}, {}, End::exited, now);
  ended_us_ = now.boot_us;
}

void ServiceWatch::begin(const FoundProcess& process, ProcessProbe probe, const Moment& now) {
  look_timer_.stop();
  Moment start = moment_of_ticks(process.start_ticks, now);
  std::string generation = generation_of(process);
  const Timeline::Span* last = timeline_.last();
  if (last == nullptr || last->generation != generation) {
    uint32_t new_span = timeline_.begin(generation, "", start.wall_us);
    if (last != nullptr && last->generation.empty())
      cut(now, std::nullopt);  // the time in which nothing ran
    span_ = new_span;
  }
  cut_at_.boot_us = std::max(cut_at_.boot_us, std::min(start.boot_us, now.boot_us));
  running_.emplace(Running{.process = process,
                           .generation = std::move(generation),
                           .start = start,
                           .probe = std::move(probe),
                           .exit = {},
                           .last = {},
                           .version = {},
                           .ambiguous = false});
  running_->last = running_->probe.read();
  phases_.started(start.boot_us, now.boot_us);
  auto exit =
      ExitWatch::start(env_.loop, process.pid, [this](ExitStatus status) { ended(status); });
  if (exit) {
    running_->exit = std::move(*exit);
  } else {
    log::warning("{}: {}; its end will be seen at the next second", service_.name,
                 exit.error().message);
  }
  announcer_.begin(
      {.generation = running_->generation, .pid = process.pid, .start = start, .gone = false});
}

void ServiceWatch::ended(ExitStatus status) {
  if (!running_) return;
  end_generation(status, End::exited);
  look();
  if (!running_) wait_for_start();
}

void ServiceWatch::end_generation(ExitStatus status, End how) {
  Moment now = env_.clock.now();
  announcer_.finish();
  cut(now, std::nullopt);
  flow_.flush();
  commit_logs(now);
  Running gone = std::move(*running_);
  running_.reset();
  phases_.ended();
  span_ = timeline_.begin("", "", now.wall_us);
  ended_us_ = now.boot_us;
  send_died(gone.generation, gone.version, status, how, now);
}

void ServiceWatch::wait_for_start() {
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
  if (running_ && running_->generation == record.generation) {
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
  log::info("{}: {} {} as {}{}{}", service_.name,
            record.version.empty() ? "an unknown version" : record.version,
            repeated ? "still runs" : "started", record.generation,
            announcer_.doubt().empty() ? "" : "; ", announcer_.doubt());
}

void ServiceWatch::send_died(const std::string& generation, const std::string& version,
                             ExitStatus status, End how, const Moment& at) {
  Event died = event(EventKind::process_died, at);
  died.generation = generation;
  died.version = version;
  died.exit_code = status.exit_code;
  died.signal = status.signal;
  // Asked for: by the helper, or, as the next start would take another version, by whoever switched
  // to that.
  bool acting = env_.helper.acting && env_.helper.acting(service_.name);
  died.expected = how == End::replaced || acting ||
                  (!died.selected.empty() && !version.empty() && died.selected != version);
  log::info("{}: {} ended{}", service_.name, generation, died.expected ? ", as asked for" : "");
  env_.uplink.send(std::move(died), at.boot_us);
}

std::string ServiceWatch::generation_of(const FoundProcess& process) const {
  return fmt::format("{}:{}:{}", env_.boot_id, process.pid, process.start_ticks);
}

// ---- samples

void ServiceWatch::tick(const Moment& now) {
  source_.look();
  if (running_) {
    auto reading = running_->probe.read();
    if (!reading) {
      ended({});
    } else if (!announcer_.is_open()) {
      // A version that is being asked for is waited for: a sample without one could not be placed.
      cut(now, reading);
    }
  } else {
    cut(now, std::nullopt);
    if (look_timer_.active()) wait_for_start();
    look();
  }
  if (flow_.is_empty()) commit_logs(now);
}

void ServiceWatch::poll_logs(const Moment& now) {
  for (auto& log : logs_) {
    std::string before = log.problem();
    log.poll(timeline_, now.wall_us, tallies_);
    if (log.problem() != before && !log.problem().empty())
      log::warning("{}: {}", service_.name, log.problem());
  }
}

void ServiceWatch::cut(const Moment& now, const std::optional<ProcessReading>& reading) {
  if (now.boot_us <= cut_at_.boot_us) return;
  auto interval_us =
      static_cast<uint32_t>(std::min(now.boot_us - cut_at_.boot_us, kMostIntervalUs));
  poll_logs(now);
  Tally tally = tallies_.take(span_);
  Phase phase = phases_.observe(now.boot_us, tally.answered, tally.failed);
  send_late(now, interval_us, phase, tally);
  Sample sample = sample_of(tally, now, interval_us);
  sample.phase = phase;
  if (running_) add_process(sample, reading, now);
  cut_at_ = now;
  flow_.add(std::move(sample), now.boot_us);
}

/// Requests that began in an earlier span. While the service does not serve yet they are the harm
/// of its restart, and part of this sample; later they are reported as nobody's.
void ServiceWatch::send_late(const Moment& now, uint32_t interval_us, Phase phase, Tally& into) {
  for (auto& late : tallies_.take_before(span_)) {
    if (phase != Phase::serving) {
      add(into, late);
      continue;
    }
    Sample sample = sample_of(late, now, interval_us);
    sample.phase = Phase::unattributed;
    const Timeline::Span* span = timeline_.by_id(late.span);
    sample.version = span != nullptr ? span->version : std::string{};
    sample.generation = span != nullptr ? span->generation : std::string{};
    env_.uplink.send(std::move(sample), now.boot_us);
  }
}

Sample ServiceWatch::sample_of(const Tally& tally, const Moment& now, uint32_t interval_us) const {
  Sample sample;
  sample.service = service_.name;
  sample.interval_us = interval_us;
  sample.wall_us = now.wall_us;
  sample.selected = source_.selected();
  if (!logs_.empty()) sample.requests = tally.requests;
  add_counters(sample, tally);
  return sample;
}

void ServiceWatch::add_counters(Sample& sample, const Tally& tally) const {
  for (size_t i = 0; i < service_.business.size(); ++i) {
    if (!has_field(service_.business[i]) || i >= tally.business.size()) continue;
    sample.counters.push_back(
        {.name = service_.business[i].name, .value = static_cast<double>(tally.business[i])});
  }
}

void ServiceWatch::add_process(Sample& sample, const std::optional<ProcessReading>& reading,
                               const Moment& now) {
  sample.generation = running_->generation;
  sample.version = running_->version;
  sample.ambiguous = running_->ambiguous;
  uint64_t begin_us = now.boot_us - sample.interval_us;
  sample.process_age_us =
      begin_us > running_->start.boot_us ? begin_us - running_->start.boot_us : 0;
  if (reading) {
    if (running_->last) sample.process = difference(*running_->last, *reading);
    running_->last = *reading;
  }
  add_absent(sample);
}

void ServiceWatch::add_absent(Sample& sample) const {
  sample.absent = running_->probe.absent();
  if (running_->version.empty() && !announcer_.doubt().empty())
    sample.absent.push_back({.metric = "version", .reason = announcer_.doubt()});
  for (const auto& log : logs_) {
    if (!log.problem().empty())
      sample.absent.push_back({.metric = "requests", .reason = log.problem()});
    if (!log.has_latency())
      sample.absent.push_back(
          {.metric = "latency", .reason = "the log format has no $request_time"});
  }
  for (const auto& business : service_.business)
    if (!has_field(business))
      sample.absent.push_back(
          {.metric = business.name, .reason = "no log field is configured for it"});
}

void ServiceWatch::commit_logs(const Moment& now) {
  for (auto& log : logs_) log.commit(now.boot_us);
}

void ServiceWatch::attention(uint32_t interval_ms, uint32_t lasting_seconds) {
  flow_.attention(env_.clock.now().boot_us, interval_ms, lasting_seconds);
}

void ServiceWatch::farewell(const Moment& now) {
  announcer_.finish();
  cut(now, running_ ? running_->probe.read() : std::nullopt);
  flow_.flush();
  commit_logs(now);
  Event final = event(EventKind::final_, now);
  if (running_) {
    final.generation = running_->generation;
    final.version = running_->version;
  }
  env_.uplink.send(std::move(final), now.boot_us);
}

uint64_t ServiceWatch::lines_skipped() const {
  uint64_t sum = 0;
  for (const auto& log : logs_) sum += log.skipped().total();
  return sum;
}

}  // namespace serin::agent
