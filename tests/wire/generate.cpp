#include "tests/wire/generate.h"

#include <fmt/core.h>

#include <array>
#include <cmath>

#include "schema/limits.h"

namespace serin::test {
namespace {

constexpr std::array<std::string_view, 12> kPieces = {"a", "Z9", " ", "\"", "\\", "/",
                                                      "é", "→",  "😀", "{[", ":,", "null"};

}  // namespace

std::string Generator::text(size_t most_characters) {
  std::string made;
  for (uint64_t left = below(most_characters + 1); left > 0; --left)
    made += kPieces[below(kPieces.size())];
  return made;
}

double Generator::number() {
  const double sign = coin() ? 1 : -1;
  switch (below(4)) {
    case 0:
      return 0;
    case 1:
      return sign * static_cast<double>(below(1'000'000));
    case 2:
      return sign * static_cast<double>(random_()) / 3e12;
    default:
      return sign * std::ldexp(static_cast<double>(1 + below(1 << 20)),
                               static_cast<int>(below(1800)) - 900);
  }
}

uint64_t Generator::count() {
  return coin() ? below(1000) : below(limits::kAmount + 1);
}

int64_t Generator::time() {
  return below(10) == 0 ? 0
                        : static_cast<int64_t>(below(static_cast<uint64_t>(limits::kTimeUs) + 1));
}

int64_t Generator::age() {
  if (below(8) == 0) return -time();
  return below(8) == 0 ? time() : static_cast<int64_t>(below(5'000'000));
}

std::string Generator::hex(size_t digits) {
  std::string made;
  while (made.size() < digits) made += "0123456789abcdef"[below(16)];
  return made;
}

Bytes Generator::bytes(size_t least, size_t most) {
  Bytes made(least + below(most - least + 1));
  for (uint8_t& byte : made) byte = static_cast<uint8_t>(below(256));
  return made;
}

std::string Generator::host() {
  return fmt::format("web-{:02}{}", below(50), coin() ? ".Example.org" : "");
}
std::string Generator::service() {
  return fmt::format("api{}", coin() ? "_2-b" : "");
}
std::string Generator::version() {
  return fmt::format("1.{}{}", below(20), coin() ? "+build é" : "");
}

Identity Generator::identity() {
  return {.host = host(),
          .boot_id = hex(32),
          .agent_start_us = static_cast<uint64_t>(time()),
          .sequence = 1 + below(uint64_t{1} << (coin() ? 8 : 63))};
}

ExpHistogram Generator::histogram(uint64_t most) {
  ExpHistogram made;
  for (uint64_t left = below(most + 1); left > 0;) {
    const uint64_t some = 1 + below(left);
    made.record(ExpHistogram::upper_bound(static_cast<int32_t>(below(297)) - 160) * 0.99, some);
    left -= some;
  }
  return made;
}

ProcessMetrics Generator::process() {
  if (below(4) == 0) return {};
  return {.cpu_seconds = maybe(amount()),
          .rss_bytes = maybe(count()),
          .threads = maybe(count()),
          .fds = maybe(count()),
          .fd_limit = maybe(count()),
          .voluntary_switches = maybe(count()),
          .involuntary_switches = maybe(count()),
          .minor_faults = maybe(count()),
          .major_faults = maybe(count()),
          .read_bytes = maybe(count()),
          .written_bytes = maybe(count()),
          .memory_bytes = maybe(count()),
          .processes = maybe(count()),
          .run_delay_seconds = maybe(amount()),
          .throttled_seconds = maybe(amount()),
          .cpu_pressure_seconds = maybe(amount()),
          .memory_pressure_seconds = maybe(amount()),
          .io_pressure_seconds = maybe(amount()),
          .oom_kills = maybe(count())};
}

SocketMetrics Generator::sockets() {
  if (below(4) == 0) return {};
  SocketMetrics made{.inbound = maybe(count()),
                     .outbound = maybe(count()),
                     .connecting = maybe(count()),
                     .close_wait = maybe(count()),
                     .accept_queue = maybe(count()),
                     .accept_limit = maybe(count()),
                     .unsent_bytes = maybe(count()),
                     .rtt_seconds = maybe(amount()),
                     .retransmits = maybe(count()),
                     .accept_overflows = maybe(count()),
                     .failed_connects = maybe(count()),
                     .remotes = {}};
  for (uint64_t i = 0, all = below(limits::kRemotes + 1); i < all; ++i) {
    made.remotes.push_back({.port = static_cast<uint16_t>(i * 4000 + below(4000)),
                            .connections = count(),
                            .connecting = count(),
                            .rtt_seconds = maybe(amount()),
                            .retransmits = maybe(count()),
                            .failed_connects = maybe(count())});
  }
  return made;
}

RequestMetrics Generator::requests() {
  const uint64_t all = below(coin() ? 200 : limits::kCount + 1);
  RequestMetrics made{.requests = all, .latency = histogram(all)};
  uint64_t left = all;
  for (uint64_t* part : {&made.errors, &made.aborted, &made.limited, &made.client}) {
    *part = coin() ? 0 : below(left + 1);
    left -= *part;
  }
  made.slow_slo = below(all + 1);
  uint64_t requests_left = all, errors_left = made.errors;
  for (uint64_t i = 0, classes = below(limits::kClasses + 1); i < classes; ++i) {
    RequestClass one{.name = fmt::format("{}{}", static_cast<char>('A' + i), text()),
                     .requests = below(requests_left + 1)};
    one.errors = below(std::min(one.requests, errors_left) + 1);
    one.latency = histogram(std::min<uint64_t>(one.requests, 100));
    requests_left -= one.requests;
    errors_left -= one.errors;
    made.classes.push_back(std::move(one));
  }
  return made;
}

std::vector<NamedValue> Generator::named(bool amounts) {
  std::vector<NamedValue> made;
  for (uint64_t i = 0, all = below(below(20) == 0 ? limits::kMetrics + 1 : 5); i < all; ++i) {
    made.push_back(
        {.name = fmt::format("{}{}", i, text()), .value = amounts ? amount() : number()});
  }
  return made;
}

AgentSelf Generator::self() {
  return {.version = text(),
          .cpu_seconds = amount(),
          .rss_bytes = count(),
          .ring_dropped = count(),
          .reconnects = count(),
          .publish_failures = count(),
          .lines_skipped = count(),
          .late_ticks = count(),
          .worst_late_us = count(),
          .messages_sent = count()};
}

Sample Generator::sample() {
  Sample made{
      .from = identity(),
      .service = below(8) == 0 ? "_host" : service(),
      .version = coin() ? version() : "",
      .selected = coin() ? version() : "",
      .generation = text(),
      .phase = any_of<Phase>(5),
      .interval_us = coin() ? 1'000'000 : static_cast<uint32_t>(1 + below(limits::kIntervalUs)),
      .age_us = age(),
      .wall_us = time(),
      .process_age_us = maybe(static_cast<uint64_t>(time())),
      .history = coin(),
      .ambiguous = coin(),
      .process = process(),
      .requests = maybe(requests()),
      .counters = named(true),
      .gauges = named(false),
      .absent = {},
      .self = maybe(self()),
      .sockets = sockets()};
  for (uint64_t i = 0, all = below(4); i < all; ++i) {
    made.absent.push_back({.metric = fmt::format("{}{}", i, text()), .reason = text(100)});
  }
  return made;
}

Event Generator::event() {
  Event made{.from = identity(),
             .service = service(),
             .kind = any_of<EventKind>(8),  // all but silent, which does not travel
             .age_us = age(),
             .wall_us = time(),
             .version = version(),
             .previous = coin() ? version() : "",
             .selected = coin() ? version() : "",
             .generation = text(),
             .cause = any_of<Cause>(4),
             .artefact = text(),
             .same_name = coin(),
             .ambiguous = coin(),
             .expected = coin(),
             .exit_code = maybe(static_cast<int32_t>(below(512)) - 256),
             .signal = maybe(static_cast<int32_t>(below(65))),
             .step = "s" + text(),
             .reason = text(200),
             .command = coin() ? hex(32) : "",
             .deploy = text(),
             .facts = {}};
  for (uint64_t i = 0, all = below(5); i < all; ++i)
    made.facts.emplace_back(fmt::format("{}{}", i, text()), text());
  return made;
}

Control Generator::control() {
  Control made{.kind = any_of<ControlKind>(5), .id = text()};
  if (made.kind == ControlKind::clock) return made;
  if (made.kind == ControlKind::policy) {
    made.policy_json = to_json(policy_set());
    return made;
  }
  made.service = service();
  made.act = made.kind == ControlKind::act ? any_of<Act>(6) : Act::rollback;
  made.deploy = "api-" + hex(8);
  made.host = made.act == Act::drill || coin() ? host() : "";
  made.actor = text();
  made.reason = text(100);
  made.version = version();
  made.irreversible = coin();
  if (made.kind == ControlKind::warmup || coin()) made.warmup_json = warmup();
  return made;
}

std::string Generator::warmup() {
  return fmt::format(R"({{"restarts":{},"errors":[{},0.5]}})", below(50), below(1000));
}

Command Generator::command() {
  const auto kind = any_of<CommandKind>(4);
  return {.id = hex(32),
          .revision = static_cast<uint32_t>(1 + below(0xFFFFFFFF)),
          .deploy = text(),
          .host = host(),
          .service = service(),
          .kind = kind,
          .condemned = version(),
          .target = version(),
          .issued_us = time(),
          .not_after_us = time(),
          .supersedes = kind == CommandKind::cancel || coin() ? hex(32) : "",
          .force = coin()};
}

SignedCommand Generator::signed_command() {
  return {.key_id = hex(16), .payload = bytes(1, 400), .signature = bytes(64, 64)};
}

Reason Generator::reason() {
  return {.kind = any_of<ReasonKind>(4),
          .metric = text(),
          .canary = maybe(number()),
          .baseline = maybe(number()),
          .effect = maybe(number()),
          .log_evidence = maybe(number()),
          .threshold = maybe(number()),
          .host = coin() ? host() : "",
          .text = text(200)};
}

Decision Generator::decision() {
  Decision made{.effect_id = "e" + text(),
                .kind = any_of<DecisionKind>(26),
                .deploy = text(),
                .service = service(),
                .version = version(),
                .previous = coin() ? version() : "",
                .attempt = static_cast<uint32_t>(1 + below(5)),
                .at_us = time(),
                .input_sequence = random_(),
                .hosts = {},
                .reason = coin() ? reason() : Reason{},
                .actor = text(),
                .incomplete = coin(),
                .warmup_json = coin() ? warmup() : "",
                .widening = coin() ? 1.5 : 1,
                .advisory = coin(),
                .irreversible = coin()};
  for (uint64_t i = below(below(10) == 0 ? 1000 : 5); i > 0; --i) made.hosts.push_back(host());
  return made;
}

HelperRequest Generator::helper_request() {
  HelperRequest made{.verb = any_of<HelperVerb>(4), .service = service(), .command = {}};
  if (made.verb == HelperVerb::execute) made.command = bytes(1, 2000);
  return made;
}

HelperReply Generator::helper_reply() {
  HelperReply made{.answer = any_of<HelperAnswer>(6),
                   .refusal = any_of<Refusal>(17),
                   .text = text(100),
                   .command = coin() ? hex(32) : "",
                   .deploy = text(),
                   .condemned = coin() ? version() : "",
                   .target = coin() ? version() : "",
                   .steps = {},
                   .version = coin() ? version() : "",
                   .artefact = text(),
                   .selected = coin() ? version() : "",
                   .task = any_of<HelperTask>(3),
                   .ready = any_of<Ready>(3),
                   .ready_text = text(),
                   .ready_target = coin() ? version() : "",
                   .rehearsed_seconds = coin() ? std::optional(1.9) : std::nullopt,
                   .rehearsed_wall_us = coin() ? time() : 0,
                   .dead_man_seconds = coin() ? std::optional(600.0) : std::nullopt,
                   .confirmed = coin() ? version() : "",
                   .libraries = {.known = coin(), .problem = text(), .list = {}, .left_out = 3}};
  for (uint64_t i = below(20); i > 0; --i) {
    made.libraries.list.push_back({.name = "l" + text(8), .id = hex(16)});
  }
  for (uint64_t i = below(limits::kSteps + 1); i > 0; --i) {
    made.steps.push_back({.name = "s" + text(6), .reason = text(40), .wall_us = time()});
  }
  return made;
}

Policy Generator::policy() {
  const auto share = [this] { return static_cast<double>(below(1001)) / 1000; };
  Policy made;
  made.mode = any_of<Policy::Mode>(3);
  made.watch_window_seconds = 10 + share() * 86'390;
  made.false_rollback_probability = 1e-9 + share() * 0.4;
  made.guarantee = any_of<Policy::Guarantee>(2);
  if (coin()) made.stages = {"2 hosts", "10 hosts", "12.5%", "100%"};
  made.max_parallel = share();
  made.min_healthy = share();
  made.max_automatic_rollbacks_per_hour = static_cast<int>(below(101));
  made.margins = {.errors_relative = share() * 100,
                  .errors_absolute = share(),
                  .latency_p50 = share(),
                  .latency_p90 = share() * 3,
                  .latency_p99 = share() * 100,
                  .cpu_per_request = share(),
                  .connections = 2 * made.max_parallel,
                  .memory = share()};
  made.slo_errors = share();
  made.slo_min_requests = static_cast<int>(1 + below(1000));
  made.slo_latency_seconds = share();
  made.must_see_errors = share();
  made.min_requests_to_pass = static_cast<int>(below(100'000));
  made.soak_seconds = share() * 86'400;
  made.verify_seconds = 10 + share() * 3590;
  for (uint64_t i = below(4); i > 0; --i) made.business["of " + text()] = any_of<Policy::Hurts>(4);
  return made;
}

PolicySet Generator::policy_set() {
  PolicySet made{.fallback = policy(), .services = {}};
  for (uint64_t i = below(5); i > 0; --i) {
    Policy& own = made.services[fmt::format("service-{}", i)] = coin() ? policy() : made.fallback;
    // As when it is read: a service starts from the default's counters.
    own.business.insert(made.fallback.business.begin(), made.fallback.business.end());
  }
  return made;
}

capture::Line Generator::line() {
  capture::Line made{.stored_us = time(), .seq = coin() ? 0 : random_(), .body = {}};
  const auto unnamed = [this](Identity& from) {
    if (coin()) from = {.host = from.host};
  };
  if (const uint64_t kind = below(3); kind == 0) {
    Sample body = sample();
    unnamed(body.from);
    made.body = std::move(body);
  } else if (kind == 1) {
    Event body = event();
    if (below(8) == 0) body.kind = EventKind::silent;
    unnamed(body.from);
    made.body = std::move(body);
  } else {
    made.body = control();
  }
  return made;
}

}  // namespace serin::test
