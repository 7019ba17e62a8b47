#include "aggregator/core/warmup_learner.h"

#include <algorithm>
#include <cmath>

#include "aggregator/core/judge/latency_family.h"

namespace serin::core {
namespace {

constexpr double kSettledSeconds = 120;  // a host of this age has warmed up well enough to compare
constexpr int64_t kPastBlocks = 60;      // ten minutes tell a host's own level
constexpr size_t kMostOthers = 50;       // hosts whose past is read; more tell nothing new
constexpr double kLeastRequests = 200;   // of the host: before the restart, and after it
constexpr double kLeastSeenSeconds = 150;  // of the 200 s
constexpr double kShrink = 5;              // bad requests that a host's level starts from
constexpr size_t kMostAtOnce = 2;          // restarts in 200 s, or a quarter of the hosts
constexpr double kTroubleErrors = 20, kTroubleTimes = 3;  // on the others: an incident
constexpr std::array kShares = {0.5, 0.1, 0.01, 0.001};   // above the judge's edges

double log_odds(double share) {
  share = std::clamp(share, 1e-9, 1 - 1e-9);
  return std::log(share) - std::log1p(-share);
}

}  // namespace

WarmupLearner::Followed* WarmupLearner::find(uint32_t host) {
  const auto at = std::ranges::find(followed_, host, &Followed::host);
  return at == followed_.end() ? nullptr : &*at;
}

void WarmupLearner::forget(uint32_t host) {
  std::erase_if(followed_, [&](const Followed& f) { return f.host == host; });
}

void WarmupLearner::count(Counts& into, const Followed& followed, uint64_t requests,
                          uint64_t errors, const ExpHistogram& latency) {
  into.requests[0] += static_cast<double>(requests);
  into.bad[0] += static_cast<double>(std::min(errors, requests));
  for (size_t i = 0; i < kEdges; ++i) {
    if (!followed.edges[i]) continue;
    into.requests[i + 1] += static_cast<double>(latency.total());
    into.bad[i + 1] += static_cast<double>(latency.above(*followed.edges[i]));
  }
}

/// The judge's edges, and how this host compared with the others before; false where the past is
/// too short.
bool WarmupLearner::measure_past(Followed& followed, const Tracks& tracks) {
  const int64_t before = followed.started_us / History::kBlockUs;
  const auto each = [&](const Track& track, const auto& use) {
    for (const auto& block : track.history.blocks()) {
      if (block.index >= before || block.index < before - kPastBlocks) continue;
      if (block.version == followed.version) use(block);
    }
  };
  std::vector<const Track*> others;
  for (const auto& track : tracks) {
    const bool another = track->index != followed.host && track->version == followed.version;
    if (another && others.size() < kMostOthers) others.push_back(track.get());
  }
  if (others.size() < 2) return false;
  ExpHistogram usual;
  for (const Track* track : others) {
    each(*track, [&](const History::Block& b) { usual.merge(b.latency); });
  }
  const judge::LatencyShape shape(usual);
  for (size_t i = 0; i < kEdges; ++i) followed.edges[i] = shape.edge(kShares[i]);
  Counts own, fleet;
  each(*tracks[followed.host],
       [&](const History::Block& b) { count(own, followed, b.requests, b.errors, b.latency); });
  for (const Track* track : others) {
    each(*track,
         [&](const History::Block& b) { count(fleet, followed, b.requests, b.errors, b.latency); });
  }
  if (own.requests[0] < kLeastRequests || fleet.requests[0] < kLeastRequests) return false;
  for (size_t s = 0; s < judge::kWarmupStreams; ++s) {
    if (fleet.requests[s] <= 0 || own.requests[s] <= 0) continue;
    const double share = (fleet.bad[s] + 0.5) / (fleet.requests[s] + 1);
    const double shrunk = (own.bad[s] + kShrink) / (own.requests[s] + kShrink / share);
    followed.level[s] = log_odds(shrunk) - log_odds(share);
  }
  followed.usual_errors = (fleet.bad[0] + 0.5) / (fleet.requests[0] + 1);
  return true;
}

void WarmupLearner::begin(const Tracks& tracks, uint32_t host, const std::string& version,
                          int64_t at_us) {
  forget(host);
  const auto on_it = static_cast<size_t>(std::ranges::count_if(
      tracks, [&](const auto& track) { return !track->gone && track->version == version; }));
  if (followed_.size() + 1 > std::max(kMostAtOnce, on_it / 4) || at_us < unquiet_until_us_) {
    followed_.clear();
    unquiet_until_us_ = std::max(unquiet_until_us_, at_us + kFollowUs);
    return;
  }
  if (followed_.size() >= kMaxFollowed) return;
  Followed next;
  next.host = host;
  next.version = version;
  next.started_us = at_us;
  if (measure_past(next, tracks)) followed_.push_back(std::move(next));
}

void WarmupLearner::see(uint32_t host, const Sample& sample, int64_t end_us, double age_seconds) {
  if (!sample.requests) return;
  const double seconds = static_cast<double>(sample.interval_us) / 1e6;
  const int64_t middle_us = end_us - static_cast<int64_t>(sample.interval_us) / 2;
  const auto& r = *sample.requests;
  const bool is_followed = find(host) != nullptr;
  for (Followed& f : followed_) {
    if (f.version != sample.version || middle_us < f.started_us) continue;
    if (f.host == host) {
      // A sample of 10 s stands for the age in its middle, as if it were one of 1 s there.
      const size_t bin = judge::warmup_bin(age_seconds + 0.5 * (seconds - 1));
      if (bin >= judge::kWarmupBins) continue;
      count(f.own[bin], f, r.requests, r.errors, r.latency);
      f.seen_seconds += seconds;
    } else if (!is_followed && age_seconds >= kSettledSeconds) {
      const auto block = static_cast<size_t>((middle_us - f.started_us) / kBlockUs);
      if (block >= kBlocks) continue;
      count(f.others[block], f, r.requests, r.errors, r.latency);
      if (!f.another) f.another = host;
      f.several = f.several || *f.another != host;
    }
  }
}

bool WarmupLearner::undisturbed(const Followed& followed) {
  double own = 0, others = 0, errors = 0;
  for (const Counts& c : followed.own) own += c.requests[0];
  for (const Counts& c : followed.others) {
    others += c.requests[0];
    errors += c.bad[0];
  }
  const bool trouble =
      errors >= kTroubleErrors && errors > kTroubleTimes * followed.usual_errors * others;
  return followed.several && own >= kLeastRequests && others >= own &&
         followed.seen_seconds >= kLeastSeenSeconds && !trouble;
}

WarmupLearner::Lesson WarmupLearner::lesson_of(const Followed& followed) {
  Lesson lesson{
      .host = followed.host, .version = followed.version, .started_us = followed.started_us};
  for (size_t bin = 0; bin < judge::kWarmupBins; ++bin) {
    const auto first = static_cast<size_t>(judge::kWarmupAges[bin] / 10);
    const auto end = static_cast<size_t>(std::ceil(judge::kWarmupAges[bin + 1] / 10));
    for (size_t s = 0; s < judge::kWarmupStreams; ++s) {
      double requests = 0, bad = 0;
      for (size_t b = first; b < std::min(end, kBlocks); ++b) {
        requests += followed.others[b].requests[s];
        bad += followed.others[b].bad[s];
      }
      if (requests <= 0) continue;
      const double share = bad / requests, odds = std::exp(followed.level[s]);
      const double own = followed.own[bin].requests[s];
      lesson.restart[s][bin] = {.requests = own,
                                .bad = followed.own[bin].bad[s],
                                .usual = own * share * odds / (1 - share + share * odds)};
    }
  }
  return lesson;
}

std::vector<WarmupLearner::Lesson> WarmupLearner::finished(int64_t now_us) {
  // Samples of the last seconds may still be under way.
  constexpr int64_t kLateUs = 15'000'000;
  std::vector<Lesson> lessons;
  std::erase_if(followed_, [&](const Followed& f) {
    if (now_us < f.started_us + kFollowUs + kLateUs) return false;
    if (undisturbed(f)) lessons.push_back(lesson_of(f));
    return true;
  });
  return lessons;
}

}  // namespace serin::core
