#include "aggregator/bus/bus.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include "agent/uplink/stamp.h"
#include "agent/uplink/uplink.h"
#include "common/bus/subjects.h"
#include "schema/wire.h"
#include "tests/integration/bus/stream_client.h"
#include "tests/integration/nats_server.h"

namespace serin::aggregator {
namespace {

using namespace std::chrono_literals;
using test::NatsServer;
using test::StreamClient;
using test::TestLoop;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Bus::StreamLimits kSmall{.input_bytes = 64 << 20,
                                   .commands_bytes = 8 << 20,
                                   .attention_bytes = 1 << 20,
                                   .audit_bytes = 16 << 20};

Decision decision_of(const std::string& effect_id, const std::string& service = "api") {
  Decision decision;
  decision.effect_id = effect_id;
  decision.service = service;
  decision.deploy = service + "-1";
  decision.version = "v2";
  return decision;
}

Control act_of(const std::string& id) {
  Control control;
  control.kind = ControlKind::act;
  control.act = Act::hold;
  control.id = id;
  control.service = "api";
  control.deploy = "api-1";
  control.actor = "somebody";
  return control;
}

SignedCommand command_of(const std::string& text) {
  SignedCommand command;
  command.key_id = "0011223344556677";
  command.payload = Bytes(text.begin(), text.end());
  command.signature = Bytes(64, 7);
  return command;
}

Bytes sample_bytes(uint64_t sequence, const std::string& host = "web-1",
                   const std::string& service = "api") {
  Sample sample;
  sample.from = {host, "boot", 7, sequence};
  sample.service = service;
  sample.version = "v1";
  sample.generation = "g1";
  return wire::encode(sample);
}

/// A bus with all that it tells, on a loop (its own, unless it shares one); closed at the end.
class Aggregator {
 public:
  explicit Aggregator(const std::string& url, Bus::StreamLimits limits = kSmall) {
    Bus::Handlers handlers;
    handlers.on_audit = [this](const Decision& decision) { audit.push_back(decision.effect_id); };
    handlers.on_audit_end = [this] { audit_ended = true; };
    handlers.on_input = [this](core::Input input) { inputs.push_back(std::move(input)); };
    handlers.on_unreadable = [this](const Bus::Unreadable& one) { unreadable.push_back(one); };
    handlers.on_caught_up = [this] { ++caught_up, inputs_at_caught_up = inputs.size(); };
    handlers.on_connection = [this](bool connected, const std::string& detail) {
      details.push_back(fmt::format("{}: {}", connected ? "up" : "down", detail));
    };
    handlers.on_store_lost = [this](const std::string& detail) { lost.push_back(detail); };
    auto made = Bus::start(loop.get(), {.urls = {url}, .limits = limits}, std::move(handlers));
    if (made) bus = std::move(*made);
  }
  ~Aggregator() { close(); }

  void close() {
    if (!bus) return;
    bool closed = false;
    bus->close(0, [&] { closed = true; });
    EXPECT_TRUE(loop.until([&] { return closed; }));
    bus.reset();
  }

  bool until(const std::function<bool()>& holds, std::chrono::seconds limit = 30s) {
    return loop.until(holds, limit);
  }
  bool until_audit_ended() {
    return until([this] { return audit_ended; });
  }
  bool read(uint64_t after = 0) {
    if (!until_audit_ended()) return false;
    bus->read_input(after);
    return until([this] { return caught_up > 0; });
  }
  bool until_inputs(size_t count, std::chrono::seconds limit = 30s) {
    return until([this, count] { return inputs.size() >= count; }, limit);
  }

  /// Publishes and waits: empty when stored, else the error.
  template <typename... Args>
  std::string stored(const Args&... args) {
    std::optional<Result<void>> result;
    bus->publish(args..., [&](Result<void> done) { result = std::move(done); });
    if (!until([&] { return result.has_value(); })) return "no answer";
    return *result ? "" : result->error().message;
  }

  std::vector<uint64_t> sample_sequences() const {
    std::vector<uint64_t> all;
    for (const auto& input : inputs) {
      if (const auto* sample = std::get_if<Sample>(&input.body))
        all.push_back(sample->from.sequence);
    }
    return all;
  }

  TestLoop loop;
  std::vector<std::string> audit, details, lost;
  std::vector<core::Input> inputs;
  std::vector<Bus::Unreadable> unreadable;
  bool audit_ended = false;
  int caught_up = 0;
  size_t inputs_at_caught_up = 0;
  std::unique_ptr<Bus> bus;
};

std::vector<uint64_t> one_to(uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t i = 1; i <= last; ++i) all.push_back(i);
  return all;
}

// ---- streams

TEST(Bus, MakesTheStreamsAsTheContractSays) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  StreamClient client(server.url());
  const auto input = client.info(bus::kInputStream);
  ASSERT_NE(input, nullptr);
  EXPECT_EQ(input->Config->MaxAge, 7200'000'000'000);
  EXPECT_EQ(input->Config->MaxBytes, 64 << 20);
  EXPECT_EQ(input->Config->MaxMsgSize, 64 * 1024);
  EXPECT_EQ(input->Config->Duplicates, 10'000'000'000);
  EXPECT_EQ(input->Config->Discard, js_DiscardOld);
  EXPECT_EQ(input->Config->Storage, js_FileStorage);
  EXPECT_TRUE(input->Config->AllowDirect);
  const auto commands = client.info(bus::kCommandStream);
  EXPECT_EQ(commands->Config->MaxMsgsPerSubject, 1);
  EXPECT_EQ(commands->Config->Duplicates, 120'000'000'000);
  EXPECT_EQ(commands->Config->MaxMsgSize, 16 * 1024);
  const auto attention = client.info(bus::kAttentionStream);
  EXPECT_EQ(attention->Config->MaxMsgsPerSubject, 1);
  EXPECT_EQ(attention->Config->MaxAge, 86'400'000'000'000);
  const auto audit = client.info(bus::kAuditStream);
  EXPECT_TRUE(audit->Config->DenyDelete);
  EXPECT_TRUE(audit->Config->DenyPurge);
  EXPECT_EQ(audit->Config->MaxAge, 400 * 86'400'000'000'000);
}

TEST(Bus, RaisesWhatIsTooSmallAndLowersNothing) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_stream({.name = bus::kInputStream,
                     .subjects = {bus::kSamples},
                     .max_bytes = 1 << 20,
                     .max_age_seconds = 60});
  client.add_stream({.name = bus::kAttentionStream,
                     .subjects = {bus::kAttention, "serin.more"},
                     .per_subject = 5,
                     .max_bytes = 32 << 20});
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  const auto input = client.info(bus::kInputStream);
  EXPECT_EQ(input->Config->SubjectsLen, 3);
  EXPECT_EQ(input->Config->MaxBytes, 64 << 20);
  EXPECT_EQ(input->Config->MaxAge, 7200'000'000'000);
  const auto attention = client.info(bus::kAttentionStream);
  EXPECT_EQ(attention->Config->MaxBytes, 32 << 20) << "an operator's larger size stays";
  EXPECT_EQ(attention->Config->MaxMsgsPerSubject, 5);
  EXPECT_EQ(attention->Config->MaxAge, 0) << "no limit is more than a day";
  EXPECT_EQ(attention->Config->SubjectsLen, 2);
}

TEST(Bus, TooLittleStorageIsAnsweredWithBothFigures) {
  NatsServer server({.max_file_store = "32MB"});
  StreamClient(server.url())
      .add_stream({.name = "OTHER", .subjects = {"other"}, .max_bytes = 5'000'000});
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until([&] {
    return std::ranges::any_of(aggregator.details, [](const std::string& text) {
      return text.contains("SERIN_INPUT") && text.contains("67108864") &&
             text.contains("5000000 bytes are reserved by 1 streams");
    });
  })) << testing::PrintToString(aggregator.details);
}

TEST(Bus, AServerWithoutJetStreamIsNamed) {
  NatsServer server({.jetstream = false});
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until([&] {
    return std::ranges::any_of(aggregator.details, [](const std::string& text) {
      return text.contains("without JetStream");
    });
  })) << testing::PrintToString(aggregator.details);
}

// ---- reading

TEST(Bus, AnEmptyStreamIsCaughtUpAtOnce) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  EXPECT_TRUE(aggregator.audit.empty());
  EXPECT_TRUE(aggregator.inputs.empty());
}

TEST(Bus, ReadsEveryKindInOrderWithTheServersTime) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  StreamClient client(server.url());
  client.publish("serin.sample.api.web-1", sample_bytes(1));
  Event event;
  event.from = {"web-1", "boot", 7, 2};
  event.service = "api";
  event.kind = EventKind::process_started;
  event.version = "v1";
  event.generation = "g1";
  client.publish("serin.event.api.web-1", wire::encode(event));
  EXPECT_EQ(aggregator.stored(act_of("act-1")), "");
  const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  ASSERT_TRUE(aggregator.read());
  ASSERT_TRUE(aggregator.until_inputs(3));
  EXPECT_EQ(aggregator.inputs_at_caught_up, 3u);
  EXPECT_EQ(aggregator.inputs[0].seq, 1u);
  EXPECT_EQ(std::get<Sample>(aggregator.inputs[0].body).from.sequence, 1u);
  EXPECT_EQ(std::get<Event>(aggregator.inputs[1].body), event);
  EXPECT_EQ(std::get<Control>(aggregator.inputs[2].body), act_of("act-1"));
  for (const auto& input : aggregator.inputs)
    EXPECT_NEAR(static_cast<double>(input.stored_us - now_us), 0.0, 60e6);
  EXPECT_LE(aggregator.inputs[0].stored_us, aggregator.inputs[2].stored_us);

  client.publish("serin.sample.api.web-1", sample_bytes(3));
  ASSERT_TRUE(aggregator.until_inputs(4)) << "goes on live";
  EXPECT_EQ(aggregator.caught_up, 1);
}

TEST(Bus, StartsBehindTheSequenceItIsTold) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  StreamClient client(server.url());
  for (uint64_t i = 1; i <= 10; ++i) client.publish("serin.sample.api.web-1", sample_bytes(i));
  ASSERT_TRUE(aggregator.read(7));
  ASSERT_TRUE(aggregator.until_inputs(3));
  EXPECT_THAT(aggregator.sample_sequences(), ElementsAre(8, 9, 10));
}

TEST(Bus, AGapMadeByRetentionIsNoTrouble) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  StreamClient client(server.url());
  for (uint64_t i = 1; i <= 5; ++i) client.publish("serin.sample.api.web-1", sample_bytes(i));
  client.purge_stream(bus::kInputStream);
  ASSERT_TRUE(aggregator.read(2)) << "what was behind 2 is gone, and nothing follows";
  EXPECT_TRUE(aggregator.inputs.empty());
  client.publish("serin.sample.api.web-1", sample_bytes(6));
  ASSERT_TRUE(aggregator.until_inputs(1));
  EXPECT_EQ(aggregator.inputs[0].seq, 6u);
  EXPECT_TRUE(aggregator.lost.empty());
}

TEST(Bus, WhatCannotBeReadIsTold) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  StreamClient client(server.url());
  client.publish("serin.sample.api.web-1", as_bytes("garbage"));
  client.publish("serin.sample.api.web-1", sample_bytes(1, "web-2"));
  client.publish("serin.sample.other.web-1", sample_bytes(2));
  client.publish("serin.control.api", sample_bytes(3));
  client.publish("serin.sample.strange", sample_bytes(4));
  client.publish("serin.sample.api.web-1", {});
  client.publish("serin.sample.api.web-1", sample_bytes(5));
  ASSERT_TRUE(aggregator.read());
  ASSERT_TRUE(aggregator.until_inputs(1));
  EXPECT_THAT(aggregator.sample_sequences(), ElementsAre(5));
  ASSERT_EQ(aggregator.unreadable.size(), 6u);
  EXPECT_EQ(aggregator.unreadable[0].seq, 1u);
  EXPECT_EQ(aggregator.unreadable[0].subject, "serin.sample.api.web-1");
  EXPECT_THAT(aggregator.unreadable[1].error, HasSubstr("web-2"))
      << "a host cannot speak for another";
}

TEST(Bus, ALongStreamArrivesWholeThroughABoundedQueue) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  constexpr uint64_t kCount = 12'000;
  StreamClient client(server.url());
  for (uint64_t i = 1; i <= kCount; ++i) {
    const auto bytes = sample_bytes(i);
    client.publish_unacked("serin.sample.api.web-1", bytes);
  }
  client.flush();
  ASSERT_TRUE(
      aggregator.until([&] { return client.info(bus::kInputStream)->State.LastSeq == kCount; }));
  ASSERT_TRUE(aggregator.read());
  EXPECT_EQ(aggregator.inputs_at_caught_up, kCount);
  EXPECT_EQ(aggregator.sample_sequences(), one_to(kCount));
}

TEST(Bus, GoesOnWhereItWasAfterTheServerWasKilled) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  for (uint64_t round = 0; round < 3; ++round) {
    StreamClient client(server.url());
    for (uint64_t i = 1; i <= 200; ++i)
      client.publish("serin.sample.api.web-1", sample_bytes(round * 200 + i));
    if (round == 2) break;
    ASSERT_TRUE(aggregator.until_inputs(round * 200 + 50));
    server.kill();
    server.start();
  }
  ASSERT_TRUE(aggregator.until_inputs(600));
  EXPECT_EQ(aggregator.sample_sequences(), one_to(600)) << "each once, in order";
  EXPECT_TRUE(aggregator.lost.empty());
  EXPECT_EQ(aggregator.caught_up, 1);
  EXPECT_TRUE(std::ranges::any_of(
      aggregator.details, [](const std::string& text) { return text.starts_with("down"); }));
}

TEST(Bus, AFrozenServerIsWaitedFor) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  auto client = std::make_unique<StreamClient>(server.url());
  client->publish("serin.sample.api.web-1", sample_bytes(1));
  ASSERT_TRUE(aggregator.until_inputs(1));
  server.freeze();
  std::optional<Result<void>> decision;
  std::string clock;
  aggregator.bus->publish(decision_of("e1"),
                          [&](Result<void> done) { decision = std::move(done); });
  aggregator.bus->publish(Control{.kind = ControlKind::clock}, [&](Result<void> done) {
    clock = done ? "stored" : done.error().message;
  });
  const auto frozen = std::chrono::steady_clock::now();
  aggregator.until([&] { return std::chrono::steady_clock::now() > frozen + 10s; });
  EXPECT_FALSE(decision) << "a decision waits";
  EXPECT_THAT(clock, HasSubstr("in time")) << "a tick does not";
  server.thaw();
  ASSERT_TRUE(aggregator.until([&] { return decision.has_value(); }));
  EXPECT_TRUE(*decision) << decision->error().message;
  StreamClient again(server.url());
  again.publish("serin.sample.api.web-1", sample_bytes(2));
  ASSERT_TRUE(aggregator.until([&] { return aggregator.sample_sequences().size() >= 2; }));
  EXPECT_THAT(aggregator.sample_sequences(), ElementsAre(1, 2));
  EXPECT_EQ(again.read(bus::kAuditStream).size(), 1u) << "stored once, whatever was repeated";
}

TEST(Bus, AnEmptiedStoreIsSaidAndReadFromItsBeginning) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  {
    StreamClient client(server.url());
    for (uint64_t i = 1; i <= 20; ++i) client.publish("serin.sample.api.web-1", sample_bytes(i));
    ASSERT_TRUE(aggregator.until_inputs(20));
    EXPECT_EQ(aggregator.stored(decision_of("e1")), "");
  }
  server.stop();
  server.empty_store();
  server.start();
  ASSERT_TRUE(aggregator.until([&] { return !aggregator.lost.empty(); }));
  EXPECT_THAT(aggregator.lost[0], HasSubstr("20"));
  StreamClient client(server.url());
  EXPECT_EQ(client.publish("serin.sample.api.web-1", sample_bytes(21)), 1u);
  ASSERT_TRUE(aggregator.until_inputs(21));
  EXPECT_EQ(aggregator.inputs.back().seq, 1u);
  EXPECT_EQ(aggregator.stored(decision_of("e2")), "") << "the lost audit does not forbid to write";
}

TEST(Bus, AServerThatIsAwayAtTheStartIsFoundLater) {
  NatsServer server({.started = false});
  Aggregator aggregator(server.url());
  std::optional<Result<void>> decision;
  aggregator.bus->publish(decision_of("e1"),
                          [&](Result<void> done) { decision = std::move(done); });
  EXPECT_THAT(aggregator.stored(act_of("act-1")), HasSubstr("in time"))
      << "an act is not kept for later";
  EXPECT_FALSE(aggregator.bus->connected());
  EXPECT_FALSE(decision);
  server.start();
  ASSERT_TRUE(aggregator.until([&] { return decision.has_value(); }));
  EXPECT_TRUE(*decision);
  EXPECT_TRUE(aggregator.bus->connected());
  ASSERT_TRUE(aggregator.read());
}

// ---- writing

TEST(Bus, TheAuditIsReadWholeBeforeAnythingElse) {
  NatsServer server;
  {
    Aggregator first(server.url());
    ASSERT_TRUE(first.until_audit_ended());
    for (int i = 0; i < 1200; ++i) {
      first.bus->publish(decision_of(fmt::format("e{}", i), i % 2 == 0 ? "api" : "web"), {});
    }
    EXPECT_EQ(first.stored(decision_of("last")), "");
  }
  Aggregator second(server.url());
  ASSERT_TRUE(second.until_audit_ended());
  ASSERT_EQ(second.audit.size(), 1201u);
  EXPECT_EQ(second.audit.front(), "e0");
  EXPECT_EQ(second.audit[777], "e777");
  EXPECT_EQ(second.audit.back(), "last");
  EXPECT_EQ(second.stored(decision_of("next")), "") << "knows where each subject ends";
}

TEST(Bus, ARepeatIsStoredOnceAndIsNoError) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  EXPECT_EQ(aggregator.stored(decision_of("e1")), "");
  EXPECT_EQ(aggregator.stored(decision_of("e1")), "");
  EXPECT_EQ(aggregator.stored(decision_of("e2")), "");
  EXPECT_EQ(aggregator.stored(std::string("web-1"), std::string("api"), std::string("c1"), 1u,
                              command_of("one")),
            "");
  EXPECT_EQ(aggregator.stored(std::string("web-1"), std::string("api"), std::string("c1"), 1u,
                              command_of("one")),
            "");
  EXPECT_EQ(aggregator.stored(act_of("a1")), "");
  EXPECT_EQ(aggregator.stored(act_of("a1")), "");
  StreamClient client(server.url());
  const auto audit = client.read(bus::kAuditStream);
  ASSERT_EQ(audit.size(), 2u);
  EXPECT_EQ(audit[0].message_id, "e1");
  EXPECT_EQ(audit[0].subject, "serin.audit.api");
  EXPECT_EQ(client.info(bus::kCommandStream)->State.LastSeq, 1u);
  EXPECT_EQ(client.read(bus::kCommandStream)[0].message_id, "c1-1");
  EXPECT_EQ(client.read(bus::kInputStream).size(), 1u);

  EXPECT_EQ(aggregator.stored(std::string("web-1"), std::string("api"), std::string("c1"), 2u,
                              command_of("two")),
            "");
  const auto commands = client.read(bus::kCommandStream);
  ASSERT_EQ(commands.size(), 1u) << "the newest of each host and service";
  EXPECT_EQ(commands[0].message_id, "c1-2");
  EXPECT_EQ(commands[0].subject, "serin.command.web-1.api");
}

TEST(Bus, WhoHasNotReadTheNewestWritesNothing) {
  NatsServer server;
  Aggregator stale(server.url());
  ASSERT_TRUE(stale.until_audit_ended());
  EXPECT_EQ(stale.stored(decision_of("e1")), "");
  EXPECT_EQ(stale.stored(std::string("web-1"), std::string("api"), std::string("c1"), 1u,
                         command_of("one")),
            "");
  Aggregator other(server.url());
  ASSERT_TRUE(other.until_audit_ended());
  EXPECT_EQ(other.stored(decision_of("e2")), "");
  EXPECT_EQ(other.stored(std::string("web-1"), std::string("api"), std::string("c2"), 1u,
                         command_of("two")),
            "");

  EXPECT_THAT(stale.stored(decision_of("e3")), HasSubstr("10071"));
  EXPECT_THAT(stale.stored(decision_of("e4")), HasSubstr("10071")) << "and it stays so";
  EXPECT_THAT(stale.stored(std::string("web-1"), std::string("api"), std::string("c3"), 1u,
                           command_of("three")),
              HasSubstr("10071"));
  EXPECT_EQ(stale.stored(decision_of("e5", "web")), "") << "where nobody else has written it may";
  StreamClient client(server.url());
  EXPECT_EQ(client.read(bus::kCommandStream)[0].message_id, "c2-1");
}

TEST(Bus, AnAckThatWasLostLongAgoIsFoundInTheStream) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  StreamClient client(server.url());
  client.set_duplicates_window(bus::kAuditStream, 100);
  const auto bytes = wire::encode(decision_of("e1"));
  const uint64_t stored = client.publish("serin.audit.api", bytes, "e1");
  // The window has passed once an id that is younger than ours is taken a second time.
  uint64_t probe = client.publish("serin.audit.probe", bytes, "probe");
  ASSERT_TRUE(aggregator.until(
      [&] { return client.publish("serin.audit.probe", bytes, "probe") != probe; }));

  EXPECT_EQ(aggregator.stored(decision_of("e1")), "");
  size_t found = 0;
  for (const auto& one : client.read(bus::kAuditStream)) found += one.message_id == "e1" ? 1 : 0;
  EXPECT_EQ(found, 1u);
  EXPECT_EQ(stored, 1u);
  EXPECT_EQ(aggregator.stored(decision_of("e2")), "");
}

TEST(Bus, ACommandThatHasAgedOutDoesNotForbidTheNext) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  EXPECT_EQ(aggregator.stored(std::string("web-1"), std::string("api"), std::string("c1"), 1u,
                              command_of("one")),
            "");
  StreamClient client(server.url());
  client.purge_stream(bus::kCommandStream);
  EXPECT_EQ(aggregator.stored(std::string("web-1"), std::string("api"), std::string("c2"), 1u,
                              command_of("two")),
            "");
  EXPECT_EQ(client.read(bus::kCommandStream).size(), 1u);
}

TEST(Bus, WhatIsTooLongIsRefusedAtOnce) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  Decision huge = decision_of("e1");
  for (int i = 0; i < 2000; ++i)
    huge.hosts.push_back(fmt::format("host-{}-with-quite-a-long-name-indeed", i));
  EXPECT_THAT(aggregator.stored(huge), HasSubstr("65536"));
  EXPECT_THAT(aggregator.stored(std::string("web-1"), std::string("api"), std::string("c1"), 1u,
                                command_of(std::string(17'000, 'x'))),
              HasSubstr("16384"));
  EXPECT_EQ(aggregator.stored(decision_of("e2")), "");
}

TEST(Bus, AForbiddenSubjectIsRefusedInTheServersWords) {
  NatsServer server({.extra_config = R"(authorization { users = [
    { user: serin, password: secret, permissions: { publish: { deny: "serin.audit.web" } } } ] })"});
  Aggregator aggregator(server.url("serin", "secret"));
  ASSERT_TRUE(aggregator.until_audit_ended());
  EXPECT_THAT(aggregator.stored(decision_of("e1", "web")),
              HasSubstr("Permissions Violation for Publish to \"serin.audit.web\""));
  EXPECT_EQ(aggregator.stored(decision_of("e2")), "");
}

TEST(Bus, ClosingAnswersEverything) {
  NatsServer server({.started = false});
  Aggregator aggregator(server.url());
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    aggregator.bus->publish(decision_of(fmt::format("e{}", i)), [&](Result<void> done) {
      EXPECT_FALSE(done);
      ++answered;
    });
  }
  aggregator.close();
  EXPECT_EQ(answered, 10);
}

TEST(Bus, ClosingDoesNotWaitForAFrozenServer) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  server.freeze();
  bool answered = false, closed = false;
  aggregator.bus->publish(decision_of("e1"), [&](Result<void>) { answered = true; });
  aggregator.bus->close(100, [&] { closed = true; });
  EXPECT_TRUE(aggregator.loop.until([&] { return closed; }, 15s));
  EXPECT_TRUE(answered);
  aggregator.bus.reset();
}

TEST(Bus, AStreamThatIsDeletedIsMadeAnew) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  StreamClient client(server.url());
  for (uint64_t i = 1; i <= 3; ++i) client.publish("serin.sample.api.web-1", sample_bytes(i));
  ASSERT_TRUE(aggregator.until_inputs(3));
  client.delete_stream(bus::kInputStream);
  ASSERT_TRUE(aggregator.until([&] { return client.info(bus::kInputStream) != nullptr; }));
  ASSERT_TRUE(aggregator.until([&] { return !aggregator.lost.empty(); }));
  client.publish("serin.sample.api.web-1", sample_bytes(4));
  ASSERT_TRUE(aggregator.until_inputs(4));
  EXPECT_EQ(aggregator.inputs.back().seq, 1u);
}

TEST(Bus, AStreamThatIsMissedOnlyByTheSenderIsMadeAnew) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  StreamClient client(server.url());
  EXPECT_EQ(aggregator.stored(decision_of("e1")), "");
  for (const char* stream : {bus::kAttentionStream, bus::kCommandStream, bus::kAuditStream}) {
    client.delete_stream(stream);
  }
  EXPECT_EQ(aggregator.stored(core::AttentionOrder{.service = "api"}), "");
  EXPECT_EQ(aggregator.stored("web-1", "api", "c1", 1U, command_of("c1")), "");
  EXPECT_EQ(aggregator.stored(decision_of("e2")), "");
  EXPECT_EQ(client.read(bus::kAttentionStream).size(), 1u);
}

TEST(Bus, WhatCannotBeStoredKeepsBackOnlyItsOwnSubject) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  StreamClient client(server.url());
  client.delete_stream(bus::kAuditStream);
  // It overlaps, so SERIN_AUDIT cannot be made anew while it stands.
  client.add_stream({.name = "IN_THE_WAY", .subjects = {"serin.audit.another"}});
  std::vector<std::string> order;
  for (const char* id : {"e1", "e2"}) {
    aggregator.bus->publish(decision_of(id), [&order, id](const Result<void>& done) {
      order.push_back(done ? id : done.error().message);
    });
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(aggregator.stored("web-1", "api", fmt::format("c{}", i), 1U, command_of("c")), "");
  }
  EXPECT_EQ(aggregator.stored(act_of("a1")), "");
  EXPECT_TRUE(order.empty());
  client.delete_stream("IN_THE_WAY");
  ASSERT_TRUE(aggregator.until([&] { return order.size() == 2; }));
  EXPECT_THAT(order, ElementsAre("e1", "e2"));
  ASSERT_EQ(client.read(bus::kAuditStream).size(), 2u);
  EXPECT_EQ(client.read(bus::kAuditStream).front().message_id, "e1");
}

TEST(Bus, ClosingWritesWhatItCan) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.until_audit_ended());
  for (int i = 0; i < 100; ++i) aggregator.bus->publish(decision_of(fmt::format("e{}", i)), {});
  bool closed = false;
  aggregator.bus->close(10'000, [&] { closed = true; });
  ASSERT_TRUE(aggregator.until([&] { return closed; }));
  aggregator.bus.reset();
  EXPECT_EQ(StreamClient(server.url()).read(bus::kAuditStream).size(), 100u);
}

// ---- both ends together

TEST(Bus, CommandsAndAttentionReachTheAgent) {
  NatsServer server;
  Aggregator aggregator(server.url());
  std::vector<Bytes> commands;
  uint32_t interval = 0;
  auto uplink = agent::Uplink::start(
      aggregator.loop.get(),
      {.urls = {server.url()}, .host = "web.1", .boot_id = "boot", .services = {"api"}},
      {.on_command = [&](const std::string&, Bytes bytes) { commands.push_back(std::move(bytes)); },
       .on_attention = [&](const std::string&, uint32_t interval_ms,
                           uint32_t) { interval = interval_ms; }});
  ASSERT_TRUE(uplink);
  EXPECT_EQ(aggregator.stored(std::string("web.1"), std::string("api"), std::string("c1"), 1u,
                              command_of("one")),
            "");
  EXPECT_EQ(aggregator.stored(core::AttentionOrder{.service = "api", .interval_ms = 500}), "");
  ASSERT_TRUE(aggregator.until([&] { return !commands.empty() && interval != 0; }));
  const auto read = wire::decode_signed(commands[0]);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, command_of("one"));
  EXPECT_EQ(interval, 500u);
  bool closed = false;
  (*uplink)->close(0, [&] { closed = true; });
  ASSERT_TRUE(aggregator.until([&] { return closed; }));
}

TEST(Bus, OverAnOutageEverySequenceArrivesAndInOrder) {
  NatsServer server;
  Aggregator aggregator(server.url());
  ASSERT_TRUE(aggregator.read());
  auto uplink = agent::Uplink::start(
      aggregator.loop.get(),
      {.urls = {server.url()}, .host = "web-1", .boot_id = "boot", .services = {"api"}}, {});
  ASSERT_TRUE(uplink);
  uint64_t sent = 0;
  const auto send = [&](int count) {
    for (int i = 0; i < count; ++i, ++sent) {
      Sample sample;
      sample.service = "api";
      sample.version = "v1";
      sample.generation = "g1";
      (*uplink)->send(sample, agent::boot_now_us());
    }
  };
  for (int round = 0; round < 3; ++round) {
    send(100);
    ASSERT_TRUE(aggregator.until_inputs(sent - 50));
    server.kill();
    send(100);
    ASSERT_TRUE(aggregator.until(
        [&] { return !(*uplink)->stats().connected && !aggregator.bus->connected(); }));
    server.start();
  }
  ASSERT_TRUE(aggregator.until([&] { return (*uplink)->stats().ring_messages == 0; }));
  std::vector<uint64_t> fresh;
  ASSERT_TRUE(aggregator.until([&] {
    fresh.clear();
    uint64_t last = 0;
    for (const uint64_t sequence : aggregator.sample_sequences()) {
      EXPECT_LE(sequence, last + 1) << "a message before one that is older";
      if (sequence == last + 1) fresh.push_back(last = sequence);
    }
    return fresh.size() >= sent || testing::Test::HasFailure();
  }));
  EXPECT_EQ(fresh, one_to(sent));
  EXPECT_EQ((*uplink)->stats().ring_dropped, 0u);
  bool closed = false;
  (*uplink)->close(0, [&] { closed = true; });
  ASSERT_TRUE(aggregator.until([&] { return closed; }));
}

TEST(Bus, WithoutAServerItDoesNotStart) {
  TestLoop loop;
  EXPECT_FALSE(Bus::start(loop.get(), {}, {}));
}

}  // namespace
}  // namespace serin::aggregator
