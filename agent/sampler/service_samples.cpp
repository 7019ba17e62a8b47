#include <algorithm>

#include "agent/sampler/service_watch.h"
#include "common/log.h"

// How ServiceWatch cuts what it sees into samples.

namespace serin::agent {
namespace {

constexpr uint64_t kMostIntervalUs = 3'600'000'000;  // the wire's limit: a host that was asleep

/// Whether this source can tell the counter: logs by a field, all others by a metric.
bool can_count(const ServiceFile::Requests& source, const ServiceFile::Business& business) {
  return source.is_log() ? business.field.has_value() : !business.metric.empty();
}

}  // namespace

void ServiceWatch::poll_sources(const Moment& now) {
  for (auto& source : sources_) {
    std::string before = source->problem();
    source->poll(timeline_, now.wall_us, tallies_);
    // A changed figure in it is not news.
    if (before.empty() && !source->problem().empty())
      log::warning("{}: {}", service_.name, source->problem());
  }
}

void ServiceWatch::cut(const Moment& now, const std::optional<ProcessReading>& reading) {
  if (now.boot_us <= cut_at_.boot_us) return;
  auto interval_us =
      static_cast<uint32_t>(std::min(now.boot_us - cut_at_.boot_us, kMostIntervalUs));
  poll_sources(now);
  Tally tally = tallies_.take(span_);
  Phase phase = phases_.observe(now.boot_us, tally.answered, tally.failed);
  if (tally.answered + tally.failed > 0) answers_ = tally.answered > tally.failed;
  send_late(now, interval_us, phase, tally);
  Sample sample = sample_of(tally, now, interval_us);
  sample.phase = phase;
  if (running_) add_process(sample, reading, now);
  add_unit_doubt(sample);
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
  bool known = std::ranges::any_of(
      sources_, [](const auto& s) { return s->counts_requests() && s->is_complete(); });
  if (known || tally.requests.requests > 0) sample.requests = tally.requests;
  add_counters(sample, tally);
  add_answers(sample, tally);
  return sample;
}

void ServiceWatch::add_counters(Sample& sample, const Tally& tally) const {
  for (size_t i = 0; i < service_.business.size(); ++i) {
    auto level = std::ranges::find(tally.levels, i, &std::pair<size_t, double>::first);
    if (level != tally.levels.end()) {
      sample.gauges.push_back({.name = service_.business[i].name, .value = level->second});
      continue;
    }
    if (!is_seen(service_.business[i]) || i >= tally.business.size()) continue;
    sample.counters.push_back({.name = service_.business[i].name, .value = tally.business[i]});
  }
}

/// Orders that nobody counted are not orders that did not come.
bool ServiceWatch::is_seen(const ServiceFile::Business& business) const {
  bool counted = false;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (!can_count(service_.requests[i], business)) continue;
    if (!sources_[i]->is_complete()) return false;
    counted = true;
  }
  return counted;
}

/// An answer without content is seen as a counter of which less hurts: the full ones.
void ServiceWatch::add_answers(Sample& sample, const Tally& tally) const {
  if (std::ranges::none_of(sources_, [](const auto& source) { return source->knows_sizes(); }))
    return;
  // Answers whose size nobody knows count as full.
  uint64_t empty = tally.sized - tally.full_answers;
  sample.counters.push_back(
      {.name = "full_answers", .value = static_cast<double>(tally.requests.requests - empty)});
  if (tally.sized == 0) return;
  sample.gauges.push_back(
      {.name = "answer_bytes",
       .value = static_cast<double>(tally.body_bytes) / static_cast<double>(tally.sized)});
}

void ServiceWatch::add_process(Sample& sample, const std::optional<ProcessReading>& reading,
                               const Moment& now) {
  sample.generation = running_->start.generation;
  sample.version = running_->version;
  sample.ambiguous = running_->ambiguous;
  uint64_t begin_us = now.boot_us - sample.interval_us;
  sample.process_age_us =
      begin_us > running_->start.at.boot_us ? begin_us - running_->start.at.boot_us : 0;
  if (reading) {
    if (running_->last) sample.process = difference(*running_->last, *reading);
    running_->last = *reading;
    if (running_->sockets) sample.sockets = running_->sockets->look(now.boot_us);
  } else if (running_->last) {
    ProcessReading end;
    end.oom_kills = running_->last_oom_kills;
    sample.process.oom_kills = difference(*running_->last, end).oom_kills;
  }
  tell_kills(sample.process);
  add_absent(sample);
}

void ServiceWatch::add_absent(Sample& sample) const {
  sample.absent = running_->probe.absent();
  if (running_->sockets)
    for (auto& absent : running_->sockets->absent()) sample.absent.push_back(std::move(absent));
  if (running_->version.empty() && !announcer_.doubt().empty())
    sample.absent.push_back({.metric = "version", .reason = announcer_.doubt()});
  for (const auto& source : sources_) {
    if (!source->problem().empty()) add_source_trouble(sample, *source);
    if (auto reason = source->no_latency(); !reason.empty())
      sample.absent.push_back({.metric = "latency", .reason = std::move(reason)});
  }
  bool counted = std::ranges::any_of(sources_, [](const auto& s) { return s->counts_requests(); });
  if (!counted && !sources_.empty())
    sample.absent.push_back(
        {.metric = "requests", .reason = "what is configured counts the business alone"});
  for (const auto& business : service_.business) {
    if (std::ranges::any_of(service_.requests,
                            [&](const auto& source) { return can_count(source, business); }))
      continue;
    sample.absent.push_back({.metric = business.name,
                             .reason = business.has_source()
                                           ? "no source of requests here can tell it: a log tells "
                                             "fields, statsd, Prometheus and the recorder metrics"
                                           : "no log field or metric is configured for it"});
  }
}

void ServiceWatch::add_source_trouble(Sample& sample, const RequestSource& source) const {
  if (source.counts_requests())
    return sample.absent.push_back({.metric = "requests", .reason = source.problem()});
  for (const auto& business : service_.business)
    if (!business.metric.empty())
      sample.absent.push_back({.metric = business.name, .reason = source.problem()});
}

/// Where it cannot be seen what runs, or whose the requests are, nothing may be concluded.
void ServiceWatch::add_unit_doubt(Sample& sample) const {
  if (!unit_) return;
  if (!unit_->problem().empty())
    sample.absent.push_back({.metric = "unit", .reason = unit_->problem()});
  if (is_blind()) sample.phase = Phase::unattributed;
  bool told_apart = std::ranges::all_of(service_.requests, [](const auto& requests) {
    return requests.version_field.has_value() || requests.source == "recorder";
  });
  if (!unit_->side_by_side() || told_apart) return;
  sample.phase = Phase::unattributed;
  sample.absent.push_back(
      {.metric = "requests",
       .reason = "two of the units run and the log does not tell them apart (version_field)"});
}

void ServiceWatch::commit_sources(const Moment& now) {
  for (auto& source : sources_) source->commit(now.boot_us);
}

}  // namespace serin::agent
