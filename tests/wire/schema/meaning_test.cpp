#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "command_generated.h"
#include "control_generated.h"
#include "decision_generated.h"
#include "event_generated.h"
#include "helper_generated.h"
#include "helper_reply_generated.h"
#include "sample_generated.h"
#include "schema/limits.h"
#include "tests/wire/schema/codec.h"

// Buffers that are well formed and yet wrong: the error names the field.

namespace serin::test {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <typename Message>
void expect_fault(const std::string& field, const std::function<void(Message&)>& spoil) {
  Generator generator(11);
  Message message = Codec<Message>::make(generator);
  spoil(message);
  const auto read = Codec<Message>::decode(wire::encode(message));
  ASSERT_FALSE(read) << field;
  EXPECT_THAT(read.error().message, HasSubstr(": " + field));
}

TEST(Sample, NamesTheFieldAtFault) {
  const auto at = expect_fault<Sample>;
  at("host", [](Sample& s) { s.from.host = ""; });
  at("host", [](Sample& s) { s.from.host = std::string(65, 'h'); });
  at("host", [](Sample& s) { s.from.host = "web\xff"; });
  at("boot", [](Sample& s) { s.from.boot_id = ""; });
  at("sequence", [](Sample& s) { s.from.sequence = 0; });
  at("service", [](Sample& s) { s.service = "API"; });
  at("service", [](Sample& s) { s.service = "_other"; });
  at("version", [](Sample& s) { s.version = std::string(129, 'v'); });
  at("version", [](Sample& s) { s.version = "v1\n"; });
  at("selected", [](Sample& s) { s.selected = "\x1b[2J"; });
  at("generation", [](Sample& s) { s.generation = std::string(257, 'g'); });
  at("interval", [](Sample& s) { s.interval_us = 0; });
  at("age", [](Sample& s) { s.age_us = INT64_MIN; });
  at("wall", [](Sample& s) { s.wall_us = -1; });
  at("process_age", [](Sample& s) { s.process_age_us = UINT64_MAX; });
  at("process.cpu_seconds", [](Sample& s) { s.process.cpu_seconds = -1; });
  at("process.rss_bytes", [](Sample& s) { s.process.rss_bytes = UINT64_MAX; });
  at("counters", [](Sample& s) { s.counters = {{"orders", -1}}; });
  at("counters", [](Sample& s) { s.counters = {{"", 1}}; });
  at("counters", [](Sample& s) { s.counters = {{"orders", 1}, {"orders", 2}}; });
  at("gauges", [](Sample& s) { s.gauges = {{"rss_bytes", 1}}; });
  at("absent.metric", [](Sample& s) { s.absent = {{"", "no permission"}}; });
  at("self", [](Sample& s) { s.self = AgentSelf{.reconnects = UINT64_MAX}; });
}

TEST(Sample, HoldsNoMoreThanItsLimits) {
  const auto at = expect_fault<Sample>;
  at("counters", [](Sample& s) {
    s.counters.clear();
    for (size_t i = 0; i <= limits::kMetrics; ++i)
      s.counters.push_back({.name = "c" + std::to_string(i), .value = 1});
  });
  at("absent",
     [](Sample& s) { s.absent.assign(limits::kMetrics + 1, {.metric = "m", .reason = ""}); });
}

TEST(Sample, ItsCountsMustAddUp) {
  const auto with = [](RequestMetrics metrics) { return [=](Sample& s) { s.requests = metrics; }; };
  expect_fault<Sample>("requests: errors, aborted",
                       with({.requests = 10, .errors = 6, .limited = 5, .latency = {}}));
  expect_fault<Sample>("requests: errors, aborted",
                       with({.requests = 10, .errors = UINT64_MAX, .client = 11, .latency = {}}));
  expect_fault<Sample>("requests.slow_slo", with({.requests = 10, .slow_slo = 11, .latency = {}}));
  expect_fault<Sample>("requests.requests", with({.requests = UINT64_MAX, .latency = {}}));
  RequestMetrics metrics{.requests = 10, .latency = {}};
  metrics.latency.record(0.1, 11);
  expect_fault<Sample>("requests.latency", with(metrics));
}

TEST(Sample, ClassesArePartsOfAllRequests) {
  const auto with = [](std::vector<RequestClass> classes) {
    return [=](Sample& s) {
      s.requests = RequestMetrics{.requests = 10, .errors = 2, .latency = {}, .classes = classes};
    };
  };
  const auto some = [](std::string name, uint64_t requests, uint64_t errors) {
    return RequestClass{.name = std::move(name), .requests = requests, .errors = errors};
  };
  expect_fault<Sample>("requests.classes: are more", with({some("a", 6, 0), some("b", 5, 0)}));
  expect_fault<Sample>("requests.classes: are more", with({some("a", 5, 2), some("b", 5, 1)}));
  expect_fault<Sample>("requests.classes: has more", with({some("a", 1, 2)}));
  expect_fault<Sample>("requests.classes.requests", with({some("a", UINT64_MAX, 0)}));
  expect_fault<Sample>("requests.classes.name", with({some("", 1, 0)}));
  expect_fault<Sample>("requests.classes: are not sorted", with({some("b", 1, 0), some("a", 1, 0)}));
  expect_fault<Sample>("requests.classes: are not sorted", with({some("a", 1, 0), some("a", 1, 0)}));
  expect_fault<Sample>("requests.classes",
                       with(std::vector<RequestClass>(limits::kClasses + 1, some("a", 0, 0))));
}

TEST(Sample, SocketsAreAmountsAndPortsStandOnce) {
  const auto with = [](SocketMetrics sockets) { return [=](Sample& s) { s.sockets = sockets; }; };
  expect_fault<Sample>("sockets", with({.inbound = UINT64_MAX, .remotes = {}}));
  expect_fault<Sample>("sockets.rtt_seconds", with({.rtt_seconds = -1.0, .remotes = {}}));
  const auto ports = [](std::vector<uint16_t> numbers) {
    SocketMetrics sockets;
    for (const uint16_t number : numbers) sockets.remotes.push_back({.port = number});
    return sockets;
  };
  expect_fault<Sample>("sockets.remotes: are not sorted", with(ports({80, 80})));
  expect_fault<Sample>("sockets.remotes: are not sorted", with(ports({443, 80})));
  expect_fault<Sample>("sockets.remotes",
                       with(ports(std::vector<uint16_t>(limits::kRemotes + 1, 80))));
}

TEST(Sample, AnUnreadableNumberIsLeftOutWhenWritten) {
  Generator generator(12);
  Sample sample = generator.sample();
  sample.gauges = {{"queue", kNan}, {"pool", 3}};
  sample.process.cpu_seconds = INFINITY;
  const auto read = wire::decode_sample(wire::encode(sample));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->gauges, (std::vector<NamedValue>{{"pool", 3}}));
  EXPECT_EQ(read->process.cpu_seconds, std::nullopt);
}

/// A sample as somebody else's program would send it, with one part chosen by the caller.
template <typename Fill>
Result<Sample> foreign_sample(Fill fill) {
  flatbuffers::FlatBufferBuilder builder;
  const auto from = fbs::CreateIdentityDirect(builder, "web-01", "boot", 1, 1);
  const auto service = builder.CreateString("api");
  const auto finish = fill(builder);
  fbs::SampleBuilder sample(builder);
  sample.add_from(from);
  sample.add_service(service);
  finish(sample);
  fbs::FinishSampleBuffer(builder, sample.Finish());
  return wire::decode_sample({builder.GetBufferPointer(), builder.GetSize()});
}

void expect_foreign_fault(const Result<Sample>& read, const std::string& field) {
  ASSERT_FALSE(read) << field;
  EXPECT_THAT(read.error().message, HasSubstr(": " + field));
}

TEST(Sample, ForeignNumbersMustBeFinite) {
  for (const double value : {kNan, static_cast<double>(INFINITY), -static_cast<double>(INFINITY)}) {
    expect_foreign_fault(foreign_sample([=](auto& builder) {
                           const auto one = fbs::CreateNamedValueDirect(builder, "queue", value);
                           const auto gauges = builder.CreateVector(&one, 1);
                           return [=](fbs::SampleBuilder& sample) { sample.add_gauges(gauges); };
                         }),
                         "gauges");
    expect_foreign_fault(foreign_sample([=](auto& builder) {
                           const auto process = fbs::CreateProcess(builder, value);
                           return [=](fbs::SampleBuilder& sample) { sample.add_process(process); };
                         }),
                         "process.cpu_seconds");
  }
}

TEST(Sample, AForeignHistogramMustFitTheFixedBuckets) {
  const auto with = [](int scale, int32_t offset, const std::vector<uint64_t>& counts) {
    return foreign_sample([&](auto& builder) {
      const auto histogram =
          fbs::CreateHistogramDirect(builder, static_cast<int8_t>(scale), offset, &counts);
      const auto requests = fbs::CreateRequests(builder, 1000, 0, 0, 0, 0, 0, histogram);
      return [=](fbs::SampleBuilder& sample) { sample.add_requests(requests); };
    });
  };
  EXPECT_TRUE(with(3, -40, {1, 2, 3}));
  expect_foreign_fault(with(4, -40, {1}), "requests.latency");
  expect_foreign_fault(with(3, INT32_MAX, {1, 1}), "requests.latency");
  expect_foreign_fault(with(3, INT32_MIN, {1, 1}), "requests.latency");
  expect_foreign_fault(with(3, 0, std::vector<uint64_t>(298, 1)), "requests.latency.counts");
  expect_foreign_fault(with(3, 0, {UINT64_MAX, 2}), "requests.latency.counts");
}

/// FlatBuffers verifies that a list of 64-bit numbers lies inside the buffer, not that it is
/// aligned there.
TEST(Sample, AMisalignedHistogramIsReadAsItStands) {
  for (size_t padding = 0; padding < 2; ++padding) {
    const auto read = foreign_sample([=](auto& builder) {
      std::vector<uint32_t> words = {2, 1, 0, 1, 0};  // a length, then two numbers
      words.resize(words.size() + padding);
      const uint32_t inner = builder.CreateVector(words).o - 4;
      const auto histogram = fbs::CreateHistogram(builder, 3, 0, inner);
      const auto requests = fbs::CreateRequests(builder, 1000, 0, 0, 0, 0, 0, histogram);
      return [=](fbs::SampleBuilder& sample) { sample.add_requests(requests); };
    });
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->requests->latency.total(), 2U);
    EXPECT_EQ(read->requests->latency.at(1), 1U);
  }
}

TEST(Sample, ManyEntriesThatShareOneTextCostNothing) {
  const auto read = foreign_sample([](auto& builder) {
    const auto one = fbs::CreateNamedValueDirect(builder, std::string(1000, 'n').c_str(), 1);
    const std::vector<flatbuffers::Offset<fbs::NamedValue>> many(15'000, one);
    const auto counters = builder.CreateVector(many);
    return [=](fbs::SampleBuilder& sample) { sample.add_counters(counters); };
  });
  EXPECT_FALSE(read);  // whether for tables or for entries: before a single text is copied
}

TEST(Event, NamesTheFieldAtFault) {
  const auto at = expect_fault<Event>;
  at("version", [](Event& e) { e.kind = EventKind::version_started, e.version = ""; });
  at("kind", [](Event& e) { e.kind = EventKind::silent; });
  at("step", [](Event& e) { e.kind = EventKind::rollback_step, e.step = ""; });
  at("previous", [](Event& e) { e.previous = "\n"; });
  at("artefact", [](Event& e) { e.artefact = std::string(257, 'a'); });
  at("command", [](Event& e) { e.command = "XYZ"; });
  at("deploy", [](Event& e) { e.deploy = std::string(257, 'd'); });
  at("facts.name", [](Event& e) { e.facts = {{"", "6.1"}}; });
  at("facts", [](Event& e) { e.facts.assign(limits::kFacts + 1, {"kernel", "6.1"}); });
}

TEST(Event, WhatAProgramPrintedNeverSpoilsIt) {
  Generator generator(13);
  Event event = generator.event();
  event.reason = "exit 1:\n\x1b[31mno\xff such file\t" + std::string(5000, 'x');
  const auto read = wire::decode_event(wire::encode(event));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(read->reason, testing::StartsWith("exit 1:  [31mno? such file x"));
  EXPECT_EQ(read->reason.size(), limits::kTextBytes);
}

TEST(Control, NamesTheFieldAtFault) {
  const auto act = [](auto change) {
    return [=](Control& c) {
      c = {.kind = ControlKind::act, .service = "api", .deploy = "api-1"};
      change(c);
    };
  };
  expect_fault<Control>("service", act([](Control& c) { c.service = ""; }));
  expect_fault<Control>("deploy", act([](Control& c) { c.deploy = ""; }));
  expect_fault<Control>("host", act([](Control& c) { c.host = "\n"; }));
  expect_fault<Control>("actor", act([](Control& c) { c.actor = std::string(129, 'a'); }));
  expect_fault<Control>("policy", [](Control& c) { c = {.kind = ControlKind::policy}; });
  expect_fault<Control>("policy", act([](Control& c) {
                          c.policy_json = std::string(limits::kPolicyBytes + 1, ' ');
                        }));
  expect_fault<Control>("version",
                        [](Control& c) { c = {.kind = ControlKind::declare, .service = "api"}; });
  expect_fault<Control>("warmup",
                        [](Control& c) { c = {.kind = ControlKind::warmup, .service = "api"}; });
  expect_fault<Control>("service",
                        [](Control& c) { c = {.kind = ControlKind::warmup, .warmup_json = "{}"}; });
  expect_fault<Control>("warmup", act([](Control& c) {
                          c.warmup_json = std::string(limits::kWarmupBytes + 1, ' ');
                        }));
}

TEST(Command, NamesTheFieldAtFault) {
  const auto at = expect_fault<Command>;
  at("id", [](Command& c) { c.id = "00"; });
  at("id", [](Command& c) { c.id = std::string(32, 'G'); });
  at("revision", [](Command& c) { c.revision = 0; });
  at("host", [](Command& c) { c.host = ""; });
  at("service", [](Command& c) { c.service = "_host"; });
  at("condemned", [](Command& c) { c.kind = CommandKind::rollback, c.condemned = ""; });
  at("target", [](Command& c) { c.kind = CommandKind::rollback, c.target = ""; });
  for (const auto kind : {CommandKind::drill, CommandKind::confirm}) {
    at("target", [kind](Command& c) { c.kind = kind, c.target = ""; });
  }
  at("condemned", [](Command& c) { c.kind = CommandKind::drill, c.condemned = ""; });
  at("supersedes", [](Command& c) { c.kind = CommandKind::cancel, c.supersedes = ""; });
  at("target", [](Command& c) { c.target = "v\x7f"; });
  at("not_after", [](Command& c) { c.not_after_us = INT64_MAX; });
  at("supersedes", [](Command& c) { c.supersedes = "no"; });
}

TEST(SignedCommand, NamesTheFieldAtFault) {
  const auto at = expect_fault<SignedCommand>;
  at("key_id", [](SignedCommand& c) { c.key_id = "../../etc"; });
  at("payload", [](SignedCommand& c) { c.payload.clear(); });
  at("signature", [](SignedCommand& c) { c.signature.pop_back(); });
}

TEST(Decision, NamesTheFieldAtFault) {
  const auto at = expect_fault<Decision>;
  at("effect_id", [](Decision& d) { d.effect_id = ""; });
  at("service", [](Decision& d) { d.service = ""; });
  at("attempt", [](Decision& d) { d.attempt = 0; });
  at("at", [](Decision& d) { d.at_us = -1; });
  at("hosts", [](Decision& d) { d.hosts = {""}; });
  at("hosts", [](Decision& d) { d.hosts.assign(limits::kHosts + 1, "h"); });
  at("reason.metric", [](Decision& d) { d.reason.metric = std::string(129, 'm'); });
}

TEST(Decision, ARatioWithoutABaselineIsAbsentAndNotInfinite) {
  Generator generator(14);
  Decision decision = generator.decision();
  decision.reason.effect = INFINITY;
  const auto read = wire::decode_decision(wire::encode(decision));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->reason.effect, std::nullopt);
}

TEST(HelperRequest, NamesTheFieldAtFault) {
  const auto at = expect_fault<HelperRequest>;
  at("service",
     [](HelperRequest& r) { r = {.verb = HelperVerb::status, .service = "../x", .command = {}}; });
  at("service",
     [](HelperRequest& r) { r = {.verb = HelperVerb::inspect, .service = "", .command = {}}; });
  at("command",
     [](HelperRequest& r) { r = {.verb = HelperVerb::execute, .service = "api", .command = {}}; });
  at("command",
     [](HelperRequest& r) { r = {.verb = HelperVerb::status, .service = "api", .command = {1}}; });
}

TEST(HelperReply, NamesTheFieldAtFault) {
  const auto at = expect_fault<HelperReply>;
  at("command", [](HelperReply& r) { r.command = "x"; });
  at("steps",
     [](HelperReply& r) { r.steps.assign(limits::kSteps + 1, {.name = "healthy", .reason = ""}); });
  at("steps.name", [](HelperReply& r) { r.steps = {{.name = "", .reason = ""}}; });
  at("steps.wall",
     [](HelperReply& r) { r.steps = {{.name = "healthy", .reason = "", .wall_us = -5}}; });
  at("ready_target", [](HelperReply& r) { r.ready_target = "v\n"; });
  at("rehearsed_seconds", [](HelperReply& r) { r.rehearsed_seconds = -1; });
  at("rehearsed_wall", [](HelperReply& r) { r.rehearsed_wall_us = -1; });
  at("dead_man_seconds", [](HelperReply& r) { r.dead_man_seconds = -1; });
  at("confirmed", [](HelperReply& r) { r.confirmed = "v\x7f"; });
}

TEST(HelperReply, OfAnOlderHelperSaysNothingAboutReadiness) {
  const auto read = wire::decode_helper_reply(wire::encode(HelperReply{}));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->ready, Ready::unknown);
  EXPECT_EQ(read->rehearsed_seconds, std::nullopt);
  EXPECT_EQ(read->dead_man_seconds, std::nullopt);
}

TEST(HelperReply, TheLongestOneFitsTheSocket) {
  HelperReply reply{.text = std::string(2000, 't'),
                    .command = std::string(32, 'a'),
                    .deploy = std::string(256, 'd')};
  reply.condemned = reply.target = reply.version = reply.selected = std::string(128, 'v');
  reply.ready_target = reply.confirmed = std::string(128, 'v');
  reply.ready_text = std::string(500, 'r');
  reply.rehearsed_seconds = reply.dead_man_seconds = 600;
  reply.rehearsed_wall_us = 1;
  reply.artefact = std::string(256, 'a');
  reply.steps.assign(
      limits::kSteps,
      {.name = std::string(limits::kStepNameBytes, 's'), .reason = std::string(500, 'r'), .wall_us = 1});
  EXPECT_TRUE(wire::decode_helper_reply(wire::encode(reply)));
}

/// The only byte of `before` that differs from `after` is set to `value`: an enum, as it stands in
/// the buffer.
template <typename Message>
Result<Message> with_enum(Message before, Message after, uint8_t value) {
  Bytes bytes = wire::encode(before);
  const Bytes other = wire::encode(after);
  EXPECT_EQ(bytes.size(), other.size());
  size_t different = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == other[i]) continue;
    bytes[i] = value;
    ++different;
  }
  EXPECT_EQ(different, 1U);
  return Codec<Message>::decode(bytes);
}

template <typename Message, typename Enum>
void expect_enum_fault(const std::string& field, Enum Message::*member, Enum one, Enum other,
                       Enum last) {
  Generator generator(15);
  Message before = Codec<Message>::make(generator);
  before.*member = one;
  Message after = before;
  after.*member = other;
  const auto read = with_enum(before, after, static_cast<uint8_t>(static_cast<int>(last) + 1));
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr(": " + field));
  EXPECT_THAT(read.error().message, HasSubstr("unknown to this version"));
}

TEST(Enums, ValuesOfANewerPeerAreAnErrorThatNamesThem) {
  expect_enum_fault("phase", &Sample::phase, Phase::starting, Phase::down, Phase::unattributed);
  expect_enum_fault("kind", &Event::kind, EventKind::facts, EventKind::unit_failed,
                    EventKind::silent);
  expect_enum_fault("cause", &Event::cause, Cause::drill, Cause::rollback, Cause::dead_man);
  expect_enum_fault("kind", &Control::kind, ControlKind::act, ControlKind::declare,
                    ControlKind::warmup);
  expect_enum_fault("act", &Control::act, Act::hold, Act::pass, Act::drill);
  expect_enum_fault("kind", &Command::kind, CommandKind::drill, CommandKind::cancel,
                    CommandKind::confirm);
  expect_enum_fault("kind", &Decision::kind, DecisionKind::pass, DecisionKind::held,
                    DecisionKind::declared);
  expect_enum_fault("verb", &HelperRequest::verb, HelperVerb::inspect, HelperVerb::dead_man,
                    HelperVerb::dead_man);
  expect_enum_fault("answer", &HelperReply::answer, HelperAnswer::done, HelperAnswer::failed,
                    HelperAnswer::failed);
  expect_enum_fault("refusal", &HelperReply::refusal, Refusal::key, Refusal::busy, Refusal::peer);
  expect_enum_fault("task", &HelperReply::task, HelperTask::drill, HelperTask::dead_man,
                    HelperTask::dead_man);
  expect_enum_fault("ready", &HelperReply::ready, Ready::yes, Ready::no, Ready::no);
}

TEST(Evolution, AFieldOfANewerPeerIsIgnored) {
  flatbuffers::FlatBufferBuilder builder;
  const auto service = builder.CreateString("api");
  const auto start = builder.StartTable();
  builder.AddOffset(fbs::HelperRequest::VT_SERVICE, service);
  builder.AddElement<uint64_t>(60, 7, 0);  // where a later version would append
  builder.Finish(flatbuffers::Offset<fbs::HelperRequest>(builder.EndTable(start)),
                 fbs::HelperRequestIdentifier());
  const auto read = wire::decode_helper_request({builder.GetBufferPointer(), builder.GetSize()});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->service, "api");
}

/// The names in code against those of the schema, value by value.
template <typename Enum, typename Wire>
void expect_names(const Wire* values, size_t count, const char* (*wire_name)(Wire)) {
  for (size_t i = 0; i < count; ++i)
    EXPECT_EQ(name(static_cast<Enum>(values[i])), wire_name(values[i]));
}

TEST(Names, AreThoseOfTheSchema) {
#define SERIN_NAMES(Enum)                                                         \
  expect_names<Enum>(fbs::EnumValues##Enum(), std::size(fbs::EnumValues##Enum()), \
                     fbs::EnumName##Enum)
  SERIN_NAMES(Phase);
  SERIN_NAMES(EventKind);
  SERIN_NAMES(Cause);
  SERIN_NAMES(ControlKind);
  SERIN_NAMES(Act);
  SERIN_NAMES(CommandKind);
  SERIN_NAMES(DecisionKind);
  SERIN_NAMES(ReasonKind);
  SERIN_NAMES(HelperVerb);
  SERIN_NAMES(HelperAnswer);
  SERIN_NAMES(Refusal);
  SERIN_NAMES(HelperTask);
  SERIN_NAMES(Ready);
#undef SERIN_NAMES
}

TEST(Names, LeadBackToTheirValues) {
  for (int i = 0; i < 9; ++i)
    EXPECT_EQ(event_kind_from(name(static_cast<EventKind>(i))), static_cast<EventKind>(i));
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(phase_from(name(static_cast<Phase>(i))), static_cast<Phase>(i));
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(cause_from(name(static_cast<Cause>(i))), static_cast<Cause>(i));
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(control_kind_from(name(static_cast<ControlKind>(i))), static_cast<ControlKind>(i));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(act_from(name(static_cast<Act>(i))), static_cast<Act>(i));
  EXPECT_EQ(event_kind_from("version_startet"), std::nullopt);
  EXPECT_EQ(act_from(""), std::nullopt);
}

}  // namespace
}  // namespace serin::test
