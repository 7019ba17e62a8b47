#include "tests/wire/schema/released_1.h"

namespace serin::test::released_1 {
namespace {

Identity identity() {
  return {.host = "web-07.example.org",
          .boot_id = "0f6a2c1e-6f0b-4c1c-9d7e-0d3f5a1b2c3d",
          .agent_start_us = 12'345'678,
          .sequence = 4711};
}

ExpHistogram latency() {
  ExpHistogram made;
  made.record(0.012, 90);
  made.record(0.25, 20);
  made.record(3, 3);
  return made;
}

}  // namespace

Sample sample() {
  return {.from = identity(),
          .service = "api",
          .version = "1.4.3",
          .selected = "1.4.4",
          .generation = "api.service:5d1f2c",
          .phase = Phase::not_serving,
          .interval_us = 10'000'000,
          .age_us = 1'500,
          .wall_us = 1'790'000'000'123'456,
          .process_age_us = 60'000'000,
          .history = true,
          .ambiguous = true,
          .process = {.cpu_seconds = 0.41,
                      .rss_bytes = 81'000'000,
                      .threads = 9,
                      .fds = 41,
                      .fd_limit = 1024,
                      .voluntary_switches = 100,
                      .involuntary_switches = 7,
                      .minor_faults = 12,
                      .major_faults = 0,
                      .read_bytes = 4096,
                      .written_bytes = 8192},
          .requests = RequestMetrics{.requests = 118,
                                     .errors = 2,
                                     .aborted = 1,
                                     .limited = 3,
                                     .client = 4,
                                     .slow_slo = 5,
                                     .latency = latency()},
          .counters = {{"orders", 3}, {"carts", 0}},
          .gauges = {{"queue", -1.5}},
          .absent = {{"fd_limit", "no permission"}},
          .self = AgentSelf{.version = "0.1.0",
                            .cpu_seconds = 1.25,
                            .rss_bytes = 7'900'000,
                            .ring_dropped = 1,
                            .reconnects = 2,
                            .publish_failures = 3,
                            .lines_skipped = 4,
                            .late_ticks = 5}};
}

Event event() {
  return {.from = identity(),
          .service = "api",
          .kind = EventKind::rollback_step,
          .age_us = 250,
          .wall_us = 1'790'000'000'000'001,
          .version = "1.4.3",
          .previous = "1.4.2",
          .selected = "1.4.2",
          .generation = "api.service:5d1f2c",
          .cause = Cause::rollback,
          .artefact = "2049:131:1790000000",
          .same_name = true,
          .ambiguous = true,
          .expected = true,
          .exit_code = 0,
          .signal = 11,
          .step = "failed",
          .reason = "the health check answered 503 → gave up",
          .command = "00112233445566778899aabbccddeeff",
          .deploy = "api-mtuv5qk0",
          .facts = {{"kernel", "6.1.0-30-amd64"}, {"openssl", ""}}};
}

Control control() {
  return {.kind = ControlKind::act,
          .id = "6f0b4c1c",
          .service = "api",
          .policy_json = "{\"default\":{}}",
          .act = Act::hold,
          .deploy = "api-mtuv5qk0",
          .host = "web-07.example.org",
          .actor = "ana",
          .reason = "während der Messe",
          .version = "1.4.3",
          .irreversible = true};
}

Command command() {
  return {.id = "00112233445566778899aabbccddeeff",
          .revision = 2,
          .deploy = "api-mtuv5qk0",
          .host = "web-07.example.org",
          .service = "api",
          .kind = CommandKind::drill,
          .condemned = "1.4.3",
          .target = "1.4.2",
          .issued_us = 1'790'000'001'000'000,
          .not_after_us = 1'790'000'601'000'000,
          .supersedes = "ffeeddccbbaa99887766554433221100",
          .force = true};
}

SignedCommand signed_command() {
  SignedCommand made{.key_id = "0123456789abcdef", .payload = {}, .signature = {}};
  for (uint8_t i = 0; i < 100; ++i) made.payload.push_back(i);
  for (uint8_t i = 0; i < 64; ++i) made.signature.push_back(static_cast<uint8_t>(255 - i));
  return made;
}

Decision decision() {
  return {.effect_id = "api-mtuv5qk0/rollback//1",
          .kind = DecisionKind::rollback,
          .deploy = "api-mtuv5qk0",
          .service = "api",
          .version = "1.4.3",
          .previous = "1.4.2",
          .attempt = 2,
          .at_us = 1'790'000'001'000'000,
          .input_sequence = 987'654'321'012,
          .hosts = {"web-07.example.org", "web-08.example.org"},
          .reason = {.kind = ReasonKind::evidence,
                     .metric = "errors",
                     .canary = 0.041,
                     .baseline = 0.003,
                     .effect = 13.7,
                     .log_evidence = 9.39,
                     .threshold = 6.86,
                     .host = "web-07.example.org",
                     .text = "errors 4.1 % against 0.3 %"},
          .actor = "ana",
          .incomplete = true};
}

HelperRequest helper_request() {
  return {.verb = HelperVerb::execute, .service = "api", .command = {1, 2, 3, 0, 255}};
}

HelperReply helper_reply() {
  return {.answer = HelperAnswer::refused,
          .refusal = Refusal::not_running,
          .text = "1.4.4 runs, not the condemned 1.4.3",
          .command = "00112233445566778899aabbccddeeff",
          .deploy = "api-mtuv5qk0",
          .condemned = "1.4.3",
          .target = "1.4.2",
          .steps = {{.name = "accepted", .reason = "", .wall_us = 1'790'000'001'100'000},
                    {.name = "failed", .reason = "held", .wall_us = 1'790'000'001'200'000}},
          .version = "1.4.4",
          .artefact = "2049:131:1790000000",
          .selected = "1.4.4"};
}

}  // namespace serin::test::released_1
