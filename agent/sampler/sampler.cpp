#include "agent/sampler/sampler.h"

#include <algorithm>

#include "common/log.h"

namespace serin::agent {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr uint64_t kLeastTickMs = 200;
constexpr uint64_t kLateTickUs = 1'500'000;  // since the tick before
constexpr uint64_t kMostIntervalUs = 3'600'000'000;
constexpr uint64_t kBeatUs = 10'000'000;

std::filesystem::path journal_file(const std::filesystem::path& state_dir) {
  return state_dir / "versions.journal";
}

}  // namespace

uint64_t until_whole_second_ms(int64_t wall_us) {
  int64_t into_second = ((wall_us % kSecond) + kSecond) % kSecond;
  auto left_ms = static_cast<uint64_t>((kSecond - into_second + 999) / 1000);
  return left_ms >= kLeastTickMs ? left_ms : left_ms + 1000;
}

Sampler::Sampler(Options options, Uplink& uplink)
    : options_(std::move(options)),
      uplink_(uplink),
      host_facts_(options_.roots),
      datagrams_(options_.loop),
      timer_(options_.loop, [this] { tick(); }) {
  if (options_.metrics_file) metrics_file_.emplace(*options_.metrics_file);
  if (options_.state_dir) journal_ = VersionJournal::load(journal_file(*options_.state_dir));
  if (!journal_.problem().empty()) log::warning("{}", journal_.problem());
  auto names = NameWatch::make(options_.loop);
  if (names) {
    names_ = std::move(*names);
  } else {
    log::warning("{}", names.error().message);
  }
}

Sampler::~Sampler() = default;

Result<void> Sampler::add(ServiceFile service) {
  FactBook* facts = options_.facts != nullptr ? &options_.facts->of(service.name) : nullptr;
  auto watch = ServiceWatch::make(std::move(service), {.loop = options_.loop,
                                                       .clock = *options_.clock,
                                                       .boot_id = options_.boot_id,
                                                       .uplink = uplink_,
                                                       .journal = journal_,
                                                       .helper = options_.helper,
                                                       .names = names_.get(),
                                                       .state_dir = options_.state_dir,
                                                       .probe = ProcessProbe::for_this_machine(),
                                                       .units = options_.units,
                                                       .cgroups = options_.cgroups,
                                                       .facts = facts,
                                                       .look_at_host =
                                                           [this](const Moment& now) {
                                                             look_at_host(now, true);
                                                           },
                                                       .roots = options_.roots,
                                                       .datagrams = &datagrams_,
                                                       .sockets = &sockets_});
  if (!watch) return std::unexpected(watch.error());
  services_.push_back(std::move(*watch));
  sockets_.services = static_cast<unsigned>(services_.size());
  return {};
}

void Sampler::start() {
  last_tick_ = last_beat_ = options_.clock->now();
  heartbeat(last_beat_);
  for (auto& service : services_) service->start();
  plan_tick();
}

void Sampler::plan_tick() {
  uv_update_time(options_.loop);  // the work of this turn must not shift the next tick
  const Moment now = options_.clock->now();
  const uint64_t wait_ms = until_whole_second_ms(now.wall_us);
  due_boot_us_ = now.boot_us + wait_ms * 1000;
  timer_.start(wait_ms);
}

void Sampler::tick() {
  Moment now = options_.clock->now();
  if (now.boot_us - last_tick_.boot_us > kLateTickUs) ++counts_.late_ticks;
  if (now.boot_us > due_boot_us_)
    counts_.worst_late_us = std::max(counts_.worst_late_us, now.boot_us - due_boot_us_);
  last_tick_ = now;
  if (names_) names_->retry_absent();
  for (auto& service : services_) service->tick(now);
  tell_facts(now);
  bool whole_ten = (now.wall_us + kSecond / 2) / kSecond % 10 == 0;
  if (whole_ten || now.boot_us - last_beat_.boot_us >= kBeatUs) heartbeat(now);
  plan_tick();
}

void Sampler::tell_facts(const Moment& now) {
  if (options_.facts == nullptr) return;
  look_at_host(now, false);
  for (const auto& service : services_) {
    std::string& told = versions_[service->name()];
    if (service->version().empty() || service->version() == told) continue;
    told = service->version();
    options_.facts->set_for_others(service->name(), "service." + service->name(), told);
  }
  const Uplink::Stats stats = uplink_.stats();
  options_.facts->turn(now, stats.connected, stats.reconnects);
}

void Sampler::look_at_host(const Moment& now, bool hurry) {
  if (options_.facts == nullptr) return;
  const FactPairs* facts = host_facts_.look(now, hurry);
  if (facts == nullptr) return;
  for (const auto& [name, value] : *facts) options_.facts->set_for_all(name, value);
}

void Sampler::heartbeat(const Moment& now) {
  Sample beat;
  beat.service = "_host";
  beat.interval_us = static_cast<uint32_t>(
      std::clamp<uint64_t>(now.boot_us - last_beat_.boot_us, 1, kMostIntervalUs));
  beat.wall_us = now.wall_us;
  counts_.lines_skipped = 0;
  for (const auto& service : services_) counts_.lines_skipped += service->lines_skipped();
  const Uplink::Stats stats = uplink_.stats();
  beat.self = agent_self(stats, counts_);
  counts_.worst_late_us = 0;
  if (metrics_file_) metrics_file_->write(*beat.self, stats);
  last_beat_ = now;
  uplink_.send(std::move(beat), now.boot_us);
}

void Sampler::attention(const std::string& service, uint32_t interval_ms,
                        uint32_t lasting_seconds) {
  for (auto& watch : services_)
    if (watch->name() == service) watch->attention(interval_ms, lasting_seconds);
}

void Sampler::farewell() {
  timer_.stop();
  Moment now = options_.clock->now();
  for (auto& service : services_) service->farewell(now);
  Event final;
  final.service = "_host";
  final.kind = EventKind::final_;
  final.wall_us = now.wall_us;
  uplink_.send(std::move(final), now.boot_us);
}

}  // namespace serin::agent
