#include "tests/sim/fleet/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "schema/flag_reason.h"

namespace serin::sim {
namespace {

constexpr double kTau = 20, kPoolTau = 60;
constexpr double kFirstFacts = 3;  ///< seconds: agents know by then what their helpers can do
constexpr int64_t kEpochUs = 1'700'000'000'000'000;

int64_t us(double seconds) { return kEpochUs + static_cast<int64_t>(std::llround(seconds * 1e6)); }

}  // namespace

PolicySet quick_policy() {
  PolicySet policy;
  policy.fallback.watch_window_seconds = 45;
  policy.fallback.baseline_age_seconds = 20;
  policy.fallback.must_see_errors = 0.05;
  policy.fallback.must_see_latency = 6;
  return policy;
}

std::string Fleet::host_name(int host) { return fmt::format("web-{:02d}", host); }

Fleet::Fleet(World world, PolicySet policy)
    : world_(world), policy_(std::move(policy)), random_(world.seed), fold_(std::make_unique<core::Fold>(policy_)) {
  std::normal_distribution<double> normal;
  hosts_.resize(static_cast<size_t>(world.hosts));
  for (auto& host : hosts_) {
    host.version = "v1";
    host.log_errors = world.host_sd * normal(random_);
    host.noise = world.noise_sd * normal(random_);
  }
}

void Fleet::at(double seconds, std::function<void(Fleet&)> what) { agenda_.emplace(seconds, std::move(what)); }

void Fleet::run_until(double seconds) {
  while (now_ < seconds) {
    now_ += 1;
    second();
  }
}

void Fleet::second() {
  while (!agenda_.empty() && agenda_.begin()->first < now_) {
    auto what = std::move(agenda_.begin()->second);
    agenda_.erase(agenda_.begin());
    what(*this);
  }
  if (outage_until_ != 0 && now_ >= outage_until_) {
    outage_until_ = 0;
    auto kept = std::move(held_back_);
    held_back_.clear();
    // Every agent reconnects in its own time and sends its backlog in order.
    std::ranges::stable_sort(kept, {}, [](const auto& item) {
      const auto* sample = std::get_if<Sample>(&item.first);
      const auto* event = std::get_if<Event>(&item.first);
      return sample != nullptr ? sample->from.host : event != nullptr ? event->from.host : std::string();
    });
    for (auto& [body, at] : kept) {
      if (auto* sample = std::get_if<Sample>(&body)) sample->age_us = us(now_) - us(at);
      if (auto* event = std::get_if<Event>(&body)) event->age_us = us(now_) - us(at);
      store(std::move(body), now_);
    }
  }
  for (int h = 0; h < world_.hosts; ++h) {
    if (hosts_[static_cast<size_t>(h)].cut_until != 0 && now_ >= hosts_[static_cast<size_t>(h)].cut_until) reconnect(h);
    if (world_.dead_man && now_ == kFirstFacts) tell_fact(h, "dead_man.seconds", "600");
    emit_sample(h);
  }
  Control clock;
  clock.kind = ControlKind::clock;
  if (outage_until_ == 0) store(clock, now_ + 0.05);
}

void Fleet::emit_sample(int index) {
  Host& host = hosts_[static_cast<size_t>(index)];
  std::normal_distribution<double> normal;
  const double decay = std::exp(-1 / kTau);
  host.noise = decay * host.noise + world_.noise_sd * std::sqrt(1 - decay * decay) * normal(random_);
  const Release& release = releases[host.flag_off ? "v1" : host.version];  // without it, as before
  if (release.lifetime_seconds > 0 || release.stays_down) {
    if (!host.down && now_ >= host.dies) {
      host.down = true;
      host.back = now_ + 1;
      Event died;
      died.kind = EventKind::process_died;
      died.version = host.version;
      died.generation = fmt::format("g{}", host.generation);
      emit(died, index, now_ - 0.5);
    } else if (host.down && !release.stays_down && now_ >= host.back) {
      host.down = false;
      ++host.generation;
      host.started = now_;
      host.dies = now_ + release.lifetime_seconds;
      Event started;
      started.kind = EventKind::process_started;
      started.version = host.version;
      started.generation = fmt::format("g{}", host.generation);
      emit(started, index, now_ - 0.4);
    }
  }
  if (now_ < host.silent_until) return;
  Sample sample;
  sample.service = "api";
  sample.version = host.version;
  sample.generation = host.down ? "" : fmt::format("g{}", host.generation);
  sample.phase = host.down ? Phase::down : Phase::serving;
  if (host.started >= 0) {
    sample.process_age_us = static_cast<uint64_t>(std::max(0.0, now_ - 1 - host.started) * 1e6);
  }
  if (!host.down) {
    const double age = now_ - host.started;
    const bool burst = release.burst_every <= 0 || std::fmod(now_, release.burst_every) < 1;
    const bool trouble = host.started >= 0 && age >= release.after && burst;
    RequestMetrics requests = requests_of(host, release, trouble, normal);
    if (world_.gauges) sample.process = process_of(host, release, trouble, requests.requests);
    if (world_.sockets) sample.sockets = sockets_of(host, release, trouble, normal);
    if (!world_.counter.empty()) {
      const double mean = world_.usual * (trouble ? release.counts : 1) * static_cast<double>(requests.requests);
      sample.counters.push_back(
          {world_.counter, static_cast<double>(std::poisson_distribution<uint64_t>(mean)(random_))});
    }
    sample.requests = std::move(requests);
  }
  if (std::uniform_real_distribution<double>()(random_) < world_.missing) {
    ++host.sequence;
    return;
  }
  sample.from = {host_name(index), "boot", host.agent_start, ++host.sequence};
  sample.wall_us = us(now_);
  if (host.cut_until != 0) {
    host.backlog.emplace_back(std::move(sample), now_);
  } else if (outage_until_ != 0) {
    held_back_.emplace_back(std::move(sample), now_);
  } else {
    sample.age_us = 3'000 + 1'000 * index;
    store(sample, now_ + static_cast<double>(sample.age_us) / 1e6);
  }
}

RequestMetrics Fleet::requests_of(Host& host, const Release& release, bool trouble,
                                  std::normal_distribution<double>& normal) {
  std::uniform_real_distribution<double> share;
  RequestMetrics requests;
  requests.requests = std::poisson_distribution<uint64_t>(world_.rate * release.traffic)(random_);
  const double age = now_ - host.started;
  double log_rate = std::log(world_.error_rate * (trouble ? release.errors : 1)) + host.log_errors + host.noise +
                    (host.started >= 0 ? world_.warmup * std::exp(-age / 15) : 0);
  if (now_ < fleet_until_) log_rate += std::log(fleet_factor_);
  if (now_ < host.ill_until) log_rate += std::log(host.ill_factor);
  const double rate = std::min(0.98, std::exp(log_rate) + (trouble ? release.add_errors : 0));
  requests.errors = std::binomial_distribution<uint64_t>(requests.requests, rate)(random_);
  const double pace = (trouble ? release.slower : 1) * (now_ < fleet_slow_until_ ? fleet_slower_ : 1);
  const double slow = trouble ? release.slow_share : 0, tail = trouble ? release.tail_share : 0;
  for (uint64_t i = 0; i < requests.requests; ++i) {
    double seconds = 0.05 * pace * std::exp(0.5 * normal(random_));
    // Drawn only where a release asks for it, so that the others' runs stay as they were.
    if (tail > 0 && share(random_) < tail) seconds *= release.tail;
    if (slow > 0 && share(random_) < slow) seconds += release.slow_seconds;
    requests.latency.record(seconds);
  }
  return requests;
}

ProcessMetrics Fleet::process_of(const Host& host, const Release& release, bool trouble, uint64_t requests) {
  std::normal_distribution<double> normal;
  const double age = host.started >= 0 ? now_ - host.started : 0;
  ProcessMetrics process;
  process.cpu_seconds = 0.002 * static_cast<double>(requests) * (trouble ? release.cpu : 1) *
                        std::exp(0.05 * normal(random_));
  process.rss_bytes = static_cast<uint64_t>(4e8 + 2e6 * normal(random_) + (trouble ? release.memory_leak * age : 0));
  process.fds = static_cast<uint64_t>(std::lround(60 + 3 * normal(random_) + (trouble ? release.fd_leak * age : 0)));
  process.threads = static_cast<uint64_t>(std::lround(16 * (trouble ? release.threads : 1)));
  return process;
}

/// A pool of 22 that breathes.
SocketMetrics Fleet::sockets_of(Host& host, const Release& release, bool trouble,
                                std::normal_distribution<double>& normal) {
  const double decay = std::exp(-1 / kPoolTau);
  host.pool_noise = decay * host.pool_noise + 0.2 * std::sqrt(1 - decay * decay) * normal(random_);
  const double age = host.started >= 0 ? now_ - host.started : 0;
  const auto came = [&](double mean) { return std::poisson_distribution<uint64_t>(mean)(random_); };
  const double fails = (trouble ? release.failed_connects : 0) + (now_ < partner_until_ ? partner_fails_ : 0);
  SocketMetrics sockets;
  sockets.inbound = 8;
  sockets.outbound = static_cast<uint64_t>(
      std::lround(22 * std::exp(host.pool_noise) + (trouble ? release.connection_leak * age : 0)));
  sockets.close_wait = 0;
  sockets.failed_connects = fails > 0 ? came(fails) : 0;
  sockets.accept_overflows = trouble && release.overflows > 0 ? came(release.overflows) : 0;
  return sockets;
}

void Fleet::partner_fails(double failed_connects, double seconds) {
  partner_fails_ = failed_connects;
  partner_until_ = now_ + seconds;
}

void Fleet::fleet_slower(double factor, double seconds) {
  fleet_slower_ = factor;
  fleet_slow_until_ = now_ + seconds;
}

void Fleet::emit(Event event, int index, double at) {
  Host& host = hosts_[static_cast<size_t>(index)];
  event.service = "api";
  event.wall_us = us(at);
  if (now_ < host.silent_until) return;
  event.from = {host_name(index), "boot", host.agent_start, ++host.sequence};
  if (host.cut_until != 0) {
    host.backlog.emplace_back(std::move(event), at);
    return;
  }
  if (outage_until_ != 0) {
    held_back_.emplace_back(std::move(event), at);
    return;
  }
  event.age_us = std::max<int64_t>(0, us(now_) - us(at));
  store(std::move(event), now_);
}

void Fleet::store(std::variant<Sample, Event, Control> body, double at) {
  core::Input input;
  input.seq = stream_.size() + 1;
  input.stored_us = std::max(us(at), last_stored_us_ + 1);
  last_stored_us_ = input.stored_us;
  input.body = std::move(body);
  stream_.push_back(input);
  deliver(input, false);
  if (duplicate_ && !std::holds_alternative<Control>(input.body)) {
    input.seq = stream_.size() + 1;
    input.stored_us = ++last_stored_us_;
    stream_.push_back(input);
    deliver(input, false);
  }
}

void Fleet::deliver(const core::Input& input, bool replay) {
  if (crashed_) return;
  auto effects = fold_->step(input);
  if (!replay) handle(std::move(effects));
}

/// The shell: a decision is stored before anything that follows it leaves.
void Fleet::handle(std::vector<core::Effect> effects) {
  for (auto& effect : effects) {
    if (const auto* decision = std::get_if<Decision>(&effect)) {
      const bool known = std::ranges::find(audit_, decision->effect_id, &Decision::effect_id) != audit_.end();
      if (!known) audit_.push_back(*decision);
      if (crash_after_decision_ && decision->kind == DecisionKind::rollback) {
        crash_after_decision_ = false;
        crashed_ = true;
        return;
      }
    } else if (const auto* order = std::get_if<core::CommandOrder>(&effect)) {
      commands_.push_back(order->command);
      execute(order->command);
    } else if (const auto* note = std::get_if<core::Notification>(&effect)) {
      if (std::ranges::find(notifications_, note->effect_id, &core::Notification::effect_id) == notifications_.end()) {
        notifications_.push_back(*note);
      }
    }
  }
}

void Fleet::execute(const Command& command) {
  if (!obeys_) return;
  int index = 0;
  while (host_name(index) != command.host) ++index;
  Host& host = hosts_[static_cast<size_t>(index)];
  host.last = command;
  if (host.cut_until != 0 || host.commands.contains(command.id)) return;  // at most once per command id
  host.commands[command.id] = true;
  switch (command.kind) {
    case CommandKind::rollback: return roll_back(index, command);
    case CommandKind::drill: return rehearse(index, command);
    case CommandKind::cancel: return cancel(index, command);
    case CommandKind::confirm: return confirm(index, command);
  }
}

std::function<void(Fleet&)> Fleet::step(int index, const Command& command, const char* what, std::string reason) {
  Event event;
  event.kind = command.kind == CommandKind::drill ? EventKind::drill_step : EventKind::rollback_step;
  event.step = what;
  event.reason = std::move(reason);
  event.command = command.id;
  event.deploy = command.deploy;
  return [=](Fleet& fleet) { fleet.emit(event, index, fleet.now_ - 0.5); };
}

void Fleet::restart_into(int index, std::string version, Cause cause, double at_seconds) {
  Host& host = hosts_[static_cast<size_t>(index)];
  Event started;
  started.kind = EventKind::version_started;
  started.cause = cause;
  started.version = version;
  started.previous = host.version;
  started.artefact = version + "-" + host.artefact;
  started.generation = fmt::format("g{}", ++host.generation);
  host.previous = host.version;
  host.version = std::move(version);
  host.started = at_seconds;
  host.down = false;
  emit(started, index, at_seconds);
}

void Fleet::roll_back(int index, const Command& command) {
  if (command.condemned != hosts_[static_cast<size_t>(index)].version) {
    at(now_, step(index, command, "refused", "not_running: another version runs"));
    return;
  }
  if (refusing_helpers_.contains(index)) {
    hosts_[static_cast<size_t>(index)].commands.erase(command.id);  // not begun, and not remembered
    at(now_, step(index, command, "refused", "action: /srv/shop has room for 0 KiB"));
    return;
  }
  at(now_, step(index, command, "accepted"));
  if (const auto flag = flags_.find(index); flag != flags_.end()) {
    turn_flag_off(index, command, flag->second);
    flags_.erase(flag);
    return;
  }
  if (failing_helpers_.contains(index)) {
    at(now_ + 1, step(index, command, "failed", "the release is broken"));
    return;
  }
  at(now_ + 1, [index, target = command.target](Fleet& fleet) {
    ++fleet.hosts_[static_cast<size_t>(index)].executed;
    fleet.restart_into(index, target, Cause::rollback, fleet.now_ - 0.5);
  });
  for (const char* name : {"switched", "restarted"}) at(now_ + 1, step(index, command, name));
  if (late_failing_helpers_.contains(index)) {
    at(now_ + 3, step(index, command, "failed", "not healthy within 20 s"));
    return;
  }
  for (const char* name : {"healthy", "verified"}) at(now_ + 1, step(index, command, name));
}

void Fleet::turn_flag_off(int index, const Command& command, bool helps) {
  hosts_[static_cast<size_t>(index)].flag_off = helps;
  for (const char* name : {"switched", "restarted", "healthy"}) at(now_ + 1, step(index, command, name));
  at(now_ + 1, step(index, command, "verified", flag_off_reason("flag new-checkout in /f", command.condemned)));
}

void Fleet::rehearse(int index, const Command& command) {
  Host& host = hosts_[static_cast<size_t>(index)];
  if (command.condemned != host.version) {
    at(now_, step(index, command, "refused", "not_running: another version runs"));
    return;
  }
  ++host.drilled;
  for (const char* name : {"accepted", "preflight"}) at(now_, step(index, command, name));
  const auto go = [&](double when, const std::string& version) {
    at(when, [=](Fleet& fleet) { fleet.restart_into(index, version, Cause::drill, fleet.now_ - 0.6); });
  };
  go(now_ + 2, command.target);
  for (const char* name : {"switched", "restarted"}) at(now_ + 2, step(index, command, name));
  const bool fails = failing_helpers_.contains(index);
  if (!fails) {
    for (const char* name : {"healthy", "verified"}) at(now_ + 3, step(index, command, name));
  }
  go(now_ + 4, command.condemned);
  for (const char* name : {"back_switched", "back_restarted", "back_healthy", "back_verified"}) {
    at(now_ + 5, step(index, command, name));
  }
  at(now_ + 5, fails ? step(index, command, "failed", "v0 was not healthy within 20 s; back again")
                     : step(index, command, "drilled", "there in 3.0 s, back in 2.0 s"));
}

void Fleet::confirm(int index, const Command& command) {
  Host& host = hosts_[static_cast<size_t>(index)];
  if (command.target != host.version) return;
  host.confirmed = command.target;
  host.once_confirmed.insert(command.target);
  tell_fact(index, "dead_man.confirmed", command.target);
}

/// Nothing has been begun here that the cancel could come too late for: a command that was heard is done at once.
void Fleet::cancel(int index, const Command& command) {
  if (hosts_[static_cast<size_t>(index)].commands.contains(command.supersedes)) {
    at(now_, step(index, command, "refused", "busy: it is under way"));
  } else {
    hosts_[static_cast<size_t>(index)].commands[command.supersedes] = true;
    at(now_, step(index, command, "cancelled"));
  }
}

void Fleet::tell_fact(int index, const std::string& name, const std::string& value) {
  Event event;
  event.kind = EventKind::facts;
  event.facts = {{name, value}};
  emit(event, index, now_ - 0.1);
}

void Fleet::cut_off(int index, double seconds) { hosts_[static_cast<size_t>(index)].cut_until = now_ + seconds; }

/// What it has to say goes out in order, with its age; then it asks for the last command.
void Fleet::reconnect(int index) {
  Host& host = hosts_[static_cast<size_t>(index)];
  host.cut_until = 0;
  const auto backlog = std::exchange(host.backlog, {});
  for (auto [body, at] : backlog) {
    if (auto* sample = std::get_if<Sample>(&body)) sample->age_us = us(now_) - us(at);
    if (auto* event = std::get_if<Event>(&body)) event->age_us = us(now_) - us(at);
    store(std::move(body), now_);
  }
  if (host.last) execute(Command(*host.last));
}

/// As the helper does it: only while nobody can be reached, and only to what was confirmed once.
void Fleet::dead_man(int index) {
  Host& host = hosts_[static_cast<size_t>(index)];
  const bool away = host.cut_until != 0 || outage_until_ != 0;
  if (!world_.dead_man || !away || host.confirmed == host.version || !host.once_confirmed.contains(host.previous)) return;
  ++host.executed;
  Command own;
  own.id = "0123456789abcdef0123456789abcdef";
  for (const char* name : {"accepted", "preflight", "switched"}) step(index, own, name)(*this);
  restart_into(index, host.previous, Cause::dead_man, now_ - 0.5);
  for (const char* name : {"restarted", "healthy", "verified"}) step(index, own, name)(*this);
}

void Fleet::not_ready(int index, const std::string& why) { tell_fact(index, "rollback.ready", "no: " + why); }

void Fleet::other_artefact(int index) { hosts_[static_cast<size_t>(index)].artefact = "deadbeef"; }

void Fleet::drill(int index, const std::string& actor) {
  Control control;
  control.kind = ControlKind::act;
  control.act = Act::drill;
  control.actor = actor;
  control.id = fmt::format("drill-{}", stream_.size());
  control.service = "api";
  control.host = host_name(index);
  store(control, now_);
}

void Fleet::declare(const std::string& version, bool irreversible) {
  Control control;
  control.kind = ControlKind::declare;
  control.id = fmt::format("key-{}", stream_.size());
  control.service = "api";
  control.version = version;
  control.actor = "ann";
  control.irreversible = irreversible;
  store(control, now_);
}

void Fleet::absolve(const std::string& version) {
  Control control;
  control.kind = ControlKind::act;
  control.act = Act::absolve;
  control.id = fmt::format("key-{}", stream_.size());
  control.service = "api";
  control.version = version;
  control.actor = "ann";
  store(control, now_);
}

void Fleet::start(int index, const std::string& version) {
  Host& host = hosts_[static_cast<size_t>(index)];
  Event event;
  event.kind = EventKind::version_started;
  event.version = version;
  event.previous = host.version;
  event.generation = fmt::format("g{}", ++host.generation);
  event.artefact = version + "-" + host.artefact;
  host.previous = host.version;
  host.version = version;
  host.started = now_ - 0.8;
  host.down = false;
  host.dies = now_ + releases[version].lifetime_seconds;
  emit(event, index, now_ - 0.8);
}

void Fleet::fact(int index, const std::string& name, const std::string& value) {
  Event event;
  event.kind = EventKind::facts;
  event.facts = {{name, value}};
  emit(event, index, now_);
}

void Fleet::person_acts(Act act, const std::string& actor) {
  Control control;
  control.kind = ControlKind::act;
  control.act = act;
  control.actor = actor;
  control.id = fmt::format("key-{}", stream_.size());
  const auto deploys = fold_->deploys();
  control.deploy = deploys.empty() ? "" : deploys.front().id;
  control.service = "api";
  store(control, now_);
}

void Fleet::silence(int index, double seconds, bool restart_agent) {
  Host& host = hosts_[static_cast<size_t>(index)];
  host.silent_until = now_ + seconds;
  if (!restart_agent) return;
  host.agent_start += 1'000'000;
  host.sequence = 0;
}

void Fleet::bus_outage(double seconds) { outage_until_ = now_ + seconds; }

void Fleet::host_errors(int index, double factor, double seconds) {
  Host& host = hosts_.at(static_cast<size_t>(index));
  host.ill_factor = factor;
  host.ill_until = now_ + seconds;
}

void Fleet::fleet_errors(double factor, double seconds) {
  fleet_factor_ = factor;
  fleet_until_ = now_ + seconds;
}

void Fleet::stranger(int index) {
  Sample sample;
  sample.service = "api";
  sample.version = "v1";
  sample.generation = "elsewhere";
  // An agent on another machine, heard first; then the real one goes on speaking.
  sample.from = {host_name(index), "another-boot", 7, ++hosts_[static_cast<size_t>(index)].generation};
  store(sample, now_);
}

void Fleet::restart_aggregator() {
  crashed_ = false;
  fold_ = std::make_unique<core::Fold>(policy_);
  for (const auto& decision : audit_) fold_->adopt(decision);
  std::vector<core::Effect> effects;
  for (const auto& input : stream_) {
    for (auto& effect : fold_->step(input)) {
      if (!std::holds_alternative<core::CommandOrder>(effect)) effects.push_back(std::move(effect));
    }
  }
  handle(std::move(effects));
  for (const auto& order : fold_->pending_commands()) {
    commands_.push_back(order.command);
    execute(order.command);
  }
}

const Decision* Fleet::find(DecisionKind kind, const std::string& version) const {
  auto it = std::ranges::find_if(audit_, [&](const Decision& d) {
    return d.kind == kind && (version.empty() || d.version == version);
  });
  return it == audit_.end() ? nullptr : &*it;
}

int Fleet::drilled(int host) const { return hosts_[static_cast<size_t>(host)].drilled; }
std::string Fleet::confirmed(int host) const { return hosts_[static_cast<size_t>(host)].confirmed; }
int Fleet::executed(int host) const { return hosts_[static_cast<size_t>(host)].executed; }
std::string Fleet::version_on(int host) const { return hosts_[static_cast<size_t>(host)].version; }

}  // namespace serin::sim
