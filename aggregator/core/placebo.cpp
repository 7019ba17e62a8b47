#include "aggregator/core/placebo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "aggregator/core/past.h"
#include "aggregator/core/state.h"

namespace serin::core {
namespace {

constexpr int64_t kBlockUs = History::kBlockUs;
constexpr int64_t kBlockSeconds = kBlockUs / 1'000'000;
constexpr int64_t kHourBlocks = 3600 / kBlockSeconds;
/// A sample of 10 s comes up to 5 s after the block of its middle ends, and 3 s may go by on its
/// way.
constexpr int64_t kBlockClosesUs = 8'000'000;
/// After the stream stood still this long, hosts send what they kept; that takes its time.
constexpr int64_t kLongGapUs = 20'000'000, kAfterGapUs = 20'000'000;

int64_t blocks_per_watch(const Policy& policy) {
  const auto blocks = std::llround(policy.watch_window_seconds / kBlockSeconds);
  return std::max<int64_t>(blocks, 1);
}

/// Spreads the beginnings of services' rounds over a watch (FNV-1a: the same in every build).
int64_t phase_of(const std::string& name) {
  uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

judge::HostStep step_of_block(const judge::HostHistory::Block& block, uint32_t host) {
  return {.host = host,
          .requests = block.requests,
          .errors = block.errors,
          .latency = block.latency,
          .cpu_seconds = block.cpu_seconds,
          .rss_bytes = block.rss_bytes,
          .fds = block.fds,
          .threads = block.threads,
          .connections = block.connections,
          .failed_connects = block.failed_connects,
          .accept_overflows = block.accept_overflows,
          .business = block.business};
}

}  // namespace

/// Closes the blocks whose time has come. Costs a comparison while there is none.
void Fold::State::run_placebos(Service& service) {
  Placebos& p = service.placebos;
  if (now_us < (p.next_block + 1) * kBlockUs + kBlockClosesUs) return;
  if (service.tracks.empty() || service.name == "_host") return;
  if (p.next_block == 0) {
    p.next_block = p.first_block = now_us / kBlockUs + 1;  // the first that is seen whole
    p.began_late = service.remembered;
    return;
  }
  const bool just_back = gap_to_us - gap_from_us > kLongGapUs && now_us - gap_to_us < kAfterGapUs;
  if (just_back && gap_to_us > p.next_block * kBlockUs) return;
  const int64_t last = (now_us - kBlockClosesUs) / kBlockUs - 1;
  if (last - p.next_block > kHourBlocks) {  // nobody was there for long
    p.rounds.clear();
    p.next_block = last;
  }
  while (p.next_block <= last) close_block(service, p.next_block++);
}

void Fold::State::close_block(Service& service, int64_t block) {
  Placebos& p = service.placebos;
  const int64_t watch = blocks_per_watch(policies.of(service.name));
  if ((block + phase_of(service.name)) % watch == 0) begin_round(service, block);
  for (auto& round : p.rounds) step_round(service, round, block);
  std::erase_if(p.rounds, [](const auto& round) { return round.runs.over(); });
  // What the audit knows of the time before this fold's input is not decided again from less.
  const int64_t whole = Placebos::kPastBlocks + watch + kHourBlocks;
  if (p.began_late && block < p.first_block + whole) return;
  for (const auto& change : p.book.settle(now_us / kSecondUs)) record_trust(service, change);
}

/// On this version for long enough, serving, and in nobody's deploy.
bool Fold::State::untouched(const Service& service, const Track& track, const std::string& version,
                            int64_t block) const {
  if (track.gone || track.ambiguous || track.phase == Phase::down || track.version != version) {
    return false;
  }
  const double age_us = policies.of(service.name).baseline_age_seconds * 1e6;
  const auto young_us = static_cast<double>(block * kBlockUs - track.generation_since_us);
  if (track.generation_since_us != 0 && young_us < age_us) return false;
  return !in_deploy(service, track.index) && !drilling(service.name, track.host);
}

/// The settled version that most untouched hosts run; empty where too few do.
std::string Fold::State::placebo_version(const Service& service, int64_t block) const {
  std::map<std::string, size_t> hosts;
  for (const auto& track : service.tracks) {
    if (service.settled(track->version) && untouched(service, *track, track->version, block)) {
      ++hosts[track->version];
    }
  }
  const auto most =
      std::ranges::max_element(hosts, {}, [](const auto& entry) { return entry.second; });
  return most == hosts.end() || most->second < judge::PlaceboRound::kLeastHosts ? "" : most->first;
}

void Fold::State::begin_round(Service& service, int64_t block) {
  using Runs = judge::PlaceboRound;
  const std::string version = placebo_version(service, block);
  if (version.empty()) return;
  const Policy& policy = policies.of(service.name);
  std::vector<const Track*> hosts;
  for (const auto& track : service.tracks) {
    if (untouched(service, *track, version, block)) hosts.push_back(track.get());
  }
  // By name, since the order in which hosts are first seen is another one after a restart. In a
  // large fleet each round has the next hosts' turn.
  std::ranges::sort(hosts, {}, &Track::host);
  const int64_t turn = block / blocks_per_watch(policy) * static_cast<int64_t>(Runs::kMostRuns);
  if (hosts.size() > Runs::kMostHosts) {
    std::ranges::rotate(hosts, hosts.begin() + turn % static_cast<int64_t>(hosts.size()));
    hosts.resize(Runs::kMostHosts);
  }
  std::vector<Placebos::Member> members;
  std::vector<judge::HostHistory> past;
  BusinessEntries entries;
  for (const Track* track : hosts) {
    auto& host = past.emplace_back();
    host.host = static_cast<uint32_t>(members.size());
    for (const auto& old : track->history.blocks()) {
      if (old.index >= block || old.index < block - Placebos::kPastBlocks) continue;
      if (old.version != version) continue;
      host.blocks.push_back(
          as_judged(old, static_cast<int32_t>(old.index - block), service.counters, entries));
    }
    members.push_back({.host = track->index, .generation = track->generation});
  }
  std::vector<uint32_t> candidates(std::min(members.size(), Runs::kMostRuns));
  std::iota(candidates.begin(), candidates.end(), 0);
  Placebos& p = service.placebos;
  judge::Options options = judge_options(policy, service.counters, inflation);
  options.trust = p.book.trust();
  p.rounds.push_back({.first_block = block,
                      .version = version,
                      .members = std::move(members),
                      .counts = !p.began_late || block >= p.first_block + Placebos::kPastBlocks,
                      .runs = Runs(std::move(options), std::move(past), std::move(candidates))});
}

void Fold::State::step_round(Service& service, Placebos::Round& round, int64_t block) {
  std::vector<judge::HostStep> steps;
  BusinessEntries entries;
  for (uint32_t i = 0; i < round.members.size(); ++i) {
    Placebos::Member& member = round.members[i];
    if (member.out) continue;
    const Track& track = *service.tracks[member.host];
    const History::Block* seen = track.history.find(block, round.version);
    if (seen != nullptr && seen->samples == 0) seen = nullptr;  // only its process ended in it
    member.missed = seen == nullptr ? member.missed + 1 : 0;
    member.out = member.missed >= Placebos::kMissedBlocks ||
                 track.generation != member.generation ||
                 !untouched(service, track, round.version, block);
    if (member.out) {
      round.runs.cancel(i);
    } else if (seen != nullptr) {
      steps.push_back(step_of_block(as_judged(*seen, 0, service.counters, entries), i));
    }
  }
  round.runs.step(steps);
  if (!round.counts) return;
  for (judge::PlaceboRun run : round.runs.ended()) {
    run.host = round.members[run.host].host;
    service.placebos.book.ended(run, round.first_block * kBlockSeconds,
                                (block + 1) * kBlockSeconds);
  }
}

/// Also deploys that are being watched heed it.
void Fold::State::apply_trust(Service& service, const judge::TrustChange& change) {
  service.placebos.book.adopt(change);
  if (!change.advisory) return;
  for (auto& deploy : deploys) {
    if (deploy->service == service.name && deploy->open() && deploy->battery) {
      deploy->battery->demote(change.metric);
    }
  }
}

void Fold::State::record_trust(Service& service, const judge::TrustChange& change) {
  apply_trust(service, change);
  Decision decision;
  decision.effect_id =
      fmt::format("{}|{}/trust//{}", service.name, change.metric, change.at_seconds);
  decision.kind = DecisionKind::trust;
  decision.service = service.name;
  decision.at_us = now_us;
  decision.input_sequence = last_sequence;
  decision.reason = {.kind = ReasonKind::evidence, .metric = change.metric, .text = change.why};
  decision.widening = change.widening;
  decision.advisory = change.advisory;
  emit(std::move(decision));
  if (!change.advisory) return;
  Notification note;
  note.effect_id =
      fmt::format("{}|{}/notify-advisory//{}", service.name, change.metric, change.at_seconds);
  note.kind = "advisory";
  note.service = service.name;
  note.at_us = now_us;
  note.text = fmt::format("{}: {}; until an hour without that it rolls nothing back", service.name,
                          words_advisory(service, change.metric));
  effects.emplace_back(std::move(note));
}

/// A metric that may not decide has fired: people hear of it, once for each deploy.
void Fold::State::tell_advisory(const Service& service, Deploy& deploy,
                                const judge::Finding& finding) {
  if (std::ranges::find(deploy.advisory_told, finding.metric) != deploy.advisory_told.end()) return;
  deploy.advisory_told.push_back(finding.metric);
  // The same words as everywhere, which end in why it does not decide.
  const std::string text = view_of(finding, deploy, service).text;
  deploy.note(now_us, "advisory", "", text);
  tell("advisory", deploy, fmt::format("{} {}: {}", deploy.service, deploy.version, text),
       finding.metric);
}

std::string words_advisory(const Service& service, const std::string& metric) {
  for (const auto& record : service.placebos.book.records(0)) {
    const bool edge = metric == "latency_shape" && record.metric.starts_with("latency_");
    if (!record.advisory || (record.metric != metric && !edge)) continue;
    if (edge) return fmt::format("{} is advisory as {} is: {}", metric, record.metric, record.why);
    return fmt::format("{} is advisory: {}", metric, record.why);
  }
  return {};
}

std::string words_not_deciding(const Service& service, const std::string& metric) {
  std::string words = words_advisory(service, metric);
  if (words.empty()) words = metric + " was advisory during this watch";
  return words;
}

}  // namespace serin::core
