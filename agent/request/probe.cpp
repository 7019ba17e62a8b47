#include "agent/request/probe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/request/http_get.h"
#include "agent/request/tcp_connect.h"
#include "common/file.h"
#include "common/log.h"

namespace serin::agent {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kOffsetUs = kSecond / 2;
constexpr uint64_t kLeastMs = 100;      // a timer that fires a moment early does not probe twice
constexpr double kHeldUpSeconds = 0.5;  // past the time limit it was the agent that was late

/// The agent's own want of sockets or ports is no fault of the service.
bool is_ours(const std::string& why) {
  constexpr std::array<int, 5> kOurs = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};
  return std::ranges::any_of(kOurs, [&](int error) { return why == errno_text(error); });
}

class HttpTry : public ProbeTry {
 public:
  HttpTry(uv_loop_t* loop, const ServiceFile::Requests& requests, std::function<void(Probed)> done)
      : get_(loop, requests.url, "*/*",
             {.on_body = [](std::string_view) {},
              .on_done =
                  [this, done = std::move(done)](const Result<std::string>& answer) {
                    done(answer ? Probed{.status = get_.response().status(), .why = {}}
                                : Probed{.status = 0, .why = answer.error().message});
                  }},
             {.status = AnswerWanted::Status::any}) {
    get_.start(static_cast<uint64_t>(requests.timeout_seconds * 1000));
  }

 private:
  HttpGet get_;
};

class TcpTry : public ProbeTry {
 public:
  TcpTry(uv_loop_t* loop, const ServiceFile::Requests& requests, std::function<void(Probed)> done)
      : connect_(loop, requests.url.host, requests.url.port,
                 [done = std::move(done)](const Result<void>& accepted) {
                   done(accepted ? Probed{.status = 200, .why = {}}
                                 : Probed{.status = 0, .why = accepted.error().message});
                 }) {
    connect_.start(static_cast<uint64_t>(requests.timeout_seconds * 1000));
  }

 private:
  TcpConnect connect_;
};

}  // namespace

std::unique_ptr<ProbeTry> ProbeTry::start(uv_loop_t* loop, const ServiceFile::Requests& requests,
                                          std::function<void(Probed)> done) {
  if (requests.url.target.empty()) return std::make_unique<TcpTry>(loop, requests, std::move(done));
  return std::make_unique<HttpTry>(loop, requests, std::move(done));
}

uint64_t until_next_probe_ms(int64_t wall_us, int64_t interval_us) {
  int64_t into = ((wall_us - kOffsetUs) % interval_us + interval_us) % interval_us;
  auto left_ms = static_cast<uint64_t>((interval_us - into + 999) / 1000);
  return left_ms >= kLeastMs ? left_ms : left_ms + static_cast<uint64_t>(interval_us / 1000);
}

Result<std::unique_ptr<Probe>> Probe::make(const ServiceFile& service, size_t index,
                                           const SourceSetting& setting) {
  return std::unique_ptr<Probe>(new Probe(service, index, setting));
}

Probe::Probe(const ServiceFile& service, size_t index, const SourceSetting& setting)
    : loop_(setting.loop),
      name_(service.name),
      requests_(service.requests.at(index)),
      wall_us_(setting.wall_us),
      timer_(loop_, [this] { begin(); }) {}

void Probe::start(const Timeline& timeline, Tallies& tallies) {
  timeline_ = &timeline;
  tallies_ = &tallies;
  plan();
}

void Probe::poll(const Timeline& /*timeline*/, int64_t /*now_us*/, Tallies& /*tallies*/) {
  complete_ = !std::exchange(missed_, false);
  if (complete_) problem_.clear();
}

void Probe::plan() {
  uv_update_time(loop_);
  timer_.start(
      until_next_probe_ms(wall_us_(), static_cast<int64_t>(requests_.interval_seconds) * kSecond));
}

void Probe::begin() {
  plan();
  // The time limit of the one before is due in this very turn.
  if (try_) ended({.status = 0, .why = "it took too long"});
  began_wall_us_ = wall_us_();
  began_ns_ = uv_hrtime();
  try_ = ProbeTry::start(loop_, requests_, [this](const Probed& probed) { ended(probed); });
}

void Probe::ended(const Probed& probed) {
  double seconds = static_cast<double>(uv_hrtime() - began_ns_) / 1e9;
  over_ = std::move(try_);  // its callback may be what runs now
  if (probed.status == 0 && seconds > requests_.timeout_seconds + kHeldUpSeconds)
    return miss("the agent itself was held up, and did not see the answer to its probe");
  if (is_ours(probed.why)) return miss("the agent cannot probe: " + probed.why);
  if (probed.why != trouble_ && !probed.why.empty())
    log::warning("{}: the probe of {}:{} had no answer: {}", name_, requests_.url.host,
                 requests_.url.port, probed.why);
  trouble_ = probed.why;
  count(probed, seconds);
}

void Probe::miss(std::string why) {
  missed_ = true;
  problem_ = std::move(why);
}

void Probe::count(const Probed& probed, double seconds) {
  const Timeline::Span* span = timeline_->at(began_wall_us_);
  Tally& tally = tallies_->of(span != nullptr ? span->id : 0);
  count_status(tally, probed.status);
  if (probed.status == 0) return;
  ++tally.answered;
  tally.requests.latency.record(seconds);
  if (requests_.slo_seconds && seconds > *requests_.slo_seconds) ++tally.requests.slow_slo;
}

}  // namespace serin::agent
