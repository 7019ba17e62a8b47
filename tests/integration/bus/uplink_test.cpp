#include "agent/uplink/uplink.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <cstdlib>

#include "agent/uplink/stamp.h"
#include "common/bus/attention.h"
#include "common/bus/subjects.h"
#include "schema/wire.h"
#include "tests/integration/bus/stream_client.h"
#include "tests/integration/nats_server.h"

namespace serin::agent {
namespace {

using namespace std::chrono_literals;
using test::NatsServer;
using test::StreamClient;
using test::TestLoop;
using testing::ElementsAre;
using testing::HasSubstr;

Sample sample_of(const std::string& service) {
  Sample sample;
  sample.service = service;
  sample.version = "v1";
  sample.generation = "g1";
  return sample;
}

Event event_of(const std::string& service) {
  Event event;
  event.service = service;
  event.kind = EventKind::process_started;
  event.version = "v1";
  event.generation = "g1";
  return event;
}

/// An uplink with all that it tells, on a loop of its own; closed at the end.
struct Agent {
  struct Heard {
    std::string service;
    std::string command;  ///< empty: it was attention
    uint32_t interval_ms = 0, lasting_seconds = 0;
  };

  explicit Agent(Uplink::Options options) {
    if (options.host.empty()) options.host = "web-1";
    options.boot_id = "boot";
    options.agent_start_us = 7;
    if (options.services.empty()) options.services = {"api"};
    Uplink::Handlers handlers;
    handlers.on_command = [this](const std::string& service, Bytes command) {
      heard.push_back({service, std::string(command.begin(), command.end())});
    };
    handlers.on_attention = [this](const std::string& service, uint32_t interval_ms,
                                   uint32_t lasting_seconds) {
      heard.push_back({service, "", interval_ms, lasting_seconds});
    };
    auto made = Uplink::start(loop.get(), std::move(options), std::move(handlers));
    if (made) uplink = std::move(*made);
  }
  explicit Agent(const std::string& url) : Agent(Uplink::Options{.urls = {url}}) {}

  ~Agent() {
    if (!uplink) return;
    bool closed = false;
    uplink->close(0, [&] { closed = true; });
    EXPECT_TRUE(loop.until([&] { return closed; }));
  }

  void send(const std::string& service = "api") { uplink->send(sample_of(service), boot_now_us()); }
  void send_many(int count) {
    for (int i = 0; i < count; ++i) send();
  }
  bool until(const std::function<bool(const Uplink::Stats&)>& holds,
             std::chrono::seconds limit = 30s) {
    return loop.until([&] { return holds(uplink->stats()); }, limit);
  }
  bool until_acked(uint64_t count, std::chrono::seconds limit = 30s) {
    return until([count](const Uplink::Stats& now) { return now.acked >= count; }, limit);
  }
  bool until_connected() {
    return until([](const Uplink::Stats& now) { return now.connected; });
  }

  TestLoop loop;
  std::vector<Heard> heard;
  std::unique_ptr<Uplink> uplink;
};

/// Sequences of a service in the order in which the stream holds them.
std::vector<uint64_t> sequences(StreamClient& client, const std::string& service = "api") {
  std::vector<uint64_t> all;
  for (const auto& stored : client.read(bus::kInputStream)) {
    if (!stored.subject.starts_with("serin.sample.")) continue;
    const auto sample = wire::decode_sample(stored.payload);
    if (sample && sample->service == service) all.push_back(sample->from.sequence);
  }
  return all;
}

/// Every number from 1 to `last` is there, and each appears for the first time in order.
void expect_all_in_order(const std::vector<uint64_t>& seen, uint64_t last) {
  uint64_t next = 1;
  for (const uint64_t sequence : seen) {
    EXPECT_LE(sequence, next) << "out of order";
    if (sequence == next) ++next;
  }
  EXPECT_EQ(next, last + 1) << "something never arrived";
}

TEST(Uplink, NumbersFromOnePerServiceAndNamesItself) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_agent_streams();
  Agent agent(server.url());
  agent.send("api");
  agent.send("_host");
  agent.send("api");
  const Event event = event_of("api");
  agent.uplink->send(event, boot_now_us());
  ASSERT_TRUE(agent.until_acked(4)) << agent.uplink->stats().last_error;

  EXPECT_THAT(sequences(client, "api"), ElementsAre(1, 2));
  EXPECT_THAT(sequences(client, "_host"), ElementsAre(1));
  const auto stored = client.read(bus::kInputStream);
  EXPECT_EQ(stored[0].subject, "serin.sample.api.web-1");
  EXPECT_EQ(stored[3].subject, "serin.event.api.web-1");
  const auto read = wire::decode_event(stored[3].payload);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->from, (Identity{"web-1", "boot", 7, 3}));
  EXPECT_EQ(stored[0].message_id, "") << "ids of samples would cost the server 230 bytes each";
  EXPECT_EQ(agent.uplink->stats().ring_messages, 0u);
  EXPECT_EQ(agent.uplink->stats().ring_bytes, 0u);
}

TEST(Uplink, AnAgeIsThatOfTheHandOverNotOfTheSending) {
  NatsServer server({.started = false});
  Agent agent(server.url());
  const uint64_t end = boot_now_us() - 5'000'000;
  agent.uplink->send(sample_of("api"), end);
  const uint64_t before = boot_now_us();
  server.start();
  StreamClient client(server.url());
  client.add_agent_streams();
  ASSERT_TRUE(agent.until_acked(1)) << agent.uplink->stats().last_error;
  const auto read = wire::decode_sample(client.read(bus::kInputStream)[0].payload);
  ASSERT_TRUE(read);
  EXPECT_GE(read->age_us, static_cast<int64_t>(before - end)) << "the wait for the server counts";
  EXPECT_LE(read->age_us, static_cast<int64_t>(boot_now_us() - end));
}

TEST(Uplink, AServerThatIsAwayAtTheStartIsFoundLater) {
  NatsServer server({.started = false});
  Agent agent(server.url());
  agent.send_many(5);
  ASSERT_FALSE(agent.uplink->stats().connected);
  server.start();
  StreamClient client(server.url());
  client.add_agent_streams();
  client.publish(bus::command_subject("web-1", "api"), as_bytes("go"));
  ASSERT_TRUE(agent.until_acked(5)) << agent.uplink->stats().last_error;
  EXPECT_THAT(sequences(client), ElementsAre(1, 2, 3, 4, 5));
  ASSERT_TRUE(agent.loop.until([&] { return !agent.heard.empty(); }));
  EXPECT_EQ(agent.heard[0].command, "go");
}

TEST(Uplink, AStreamThatIsNotThereYetCostsNothing) {
  NatsServer server;
  Agent agent(server.url());
  agent.send_many(100);
  ASSERT_TRUE(agent.until([](const Uplink::Stats& now) { return now.publish_failures >= 2; }));
  EXPECT_LT(agent.uplink->stats().publish_failures, 64u) << "one message at a time while it fails";
  StreamClient client(server.url());
  client.add_agent_streams();
  ASSERT_TRUE(agent.until_acked(100)) << agent.uplink->stats().last_error;
  expect_all_in_order(sequences(client), 100);
}

TEST(Uplink, AKilledServerThatComesBackGetsEverySequenceInOrder) {
  NatsServer server;
  auto client = std::make_unique<StreamClient>(server.url());
  client->add_agent_streams();
  Agent agent(server.url());
  agent.send_many(200);
  ASSERT_TRUE(agent.until([](const Uplink::Stats& now) { return now.acked >= 20; }));
  server.kill();  // in the middle of it
  agent.send_many(200);
  ASSERT_TRUE(agent.until([](const Uplink::Stats& now) { return !now.connected; }));
  agent.send_many(100);
  client.reset();
  server.start();
  ASSERT_TRUE(agent.until_acked(500)) << agent.uplink->stats().last_error;
  StreamClient again(server.url());
  expect_all_in_order(sequences(again), 500);
  const auto stats = agent.uplink->stats();
  EXPECT_EQ(stats.ring_messages, 0u);
  EXPECT_EQ(stats.ring_dropped, 0u);
  EXPECT_GE(stats.reconnects, 1u);
}

TEST(Uplink, AFrozenServerBlocksNobodyAndLosesNothing) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_agent_streams();
  Agent agent(server.url());
  agent.send_many(10);
  ASSERT_TRUE(agent.until_acked(10));
  server.freeze();
  const auto frozen = std::chrono::steady_clock::now();
  auto longest = 0ns;
  uint64_t sent = 10;
  // Ten seconds, seen by the loop's own turns: none of them may wait for the network.
  agent.loop.until([&] {
    const auto before = std::chrono::steady_clock::now();
    if (sent < 500) agent.send(), ++sent;
    longest =
        std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - before);
    return before > frozen + 10s;
  });
  EXPECT_LT(longest, 1s);
  EXPECT_GE(agent.uplink->stats().publish_failures, 1u);
  server.thaw();
  ASSERT_TRUE(agent.until_acked(sent, 60s)) << agent.uplink->stats().last_error;
  expect_all_in_order(sequences(client), sent);
}

TEST(Uplink, AFullRingDropsTheOldestAndShowsTheGap) {
  NatsServer server({.started = false});
  Agent agent(Uplink::Options{.urls = {server.url()}, .ring_bytes = 16 * 1024});
  agent.send_many(1000);
  const auto before = agent.uplink->stats();
  EXPECT_LE(before.ring_bytes, 16u * 1024);
  EXPECT_EQ(before.ring_dropped, 1000 - before.ring_messages);
  server.start();
  StreamClient client(server.url());
  client.add_agent_streams();
  ASSERT_TRUE(agent.until_acked(before.ring_messages));
  const auto seen = sequences(client);
  ASSERT_EQ(seen.size(), before.ring_messages);
  EXPECT_EQ(seen.front(), before.ring_dropped + 1) << "the gap is visible in the sequence";
  EXPECT_EQ(seen.back(), 1000u);
}

TEST(Uplink, AMessageAboveTheLimitIsRefusedCountedAndLeavesAGap) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_agent_streams();
  Agent agent(server.url());
  Sample huge = sample_of("api");
  for (int i = 0; i < 4000; ++i)
    huge.gauges.push_back({fmt::format("gauge_{}_with_a_long_name", i), 1.0});
  agent.uplink->send(huge, boot_now_us());
  agent.send();
  ASSERT_TRUE(agent.until_acked(1));
  EXPECT_EQ(agent.uplink->stats().ring_dropped, 1u);
  EXPECT_THAT(agent.uplink->stats().last_error, HasSubstr("65536"));
  EXPECT_THAT(sequences(client), ElementsAre(2));
}

TEST(Uplink, AServerWithASmallerLimitCostsOneMessageNotTheQueue) {
  NatsServer server({.extra_config = "max_payload: 2048"});
  StreamClient client(server.url());
  client.add_agent_streams();
  Agent agent(server.url());
  ASSERT_TRUE(agent.until_connected());
  Sample large = sample_of("api");
  for (int i = 0; i < 200; ++i) large.gauges.push_back({fmt::format("gauge_{}", i), 1.0});
  agent.uplink->send(large, boot_now_us());
  agent.send();
  ASSERT_TRUE(agent.until_acked(1));
  EXPECT_THAT(sequences(client), ElementsAre(2));
  EXPECT_EQ(agent.uplink->stats().ring_dropped, 1u);
  EXPECT_THAT(agent.uplink->stats().last_error, HasSubstr("max_payload"));
}

// ---- permissions

constexpr const char* kUsers = R"(
authorization { users = [
  { user: admin, password: secret }
  { user: agent, password: secret, permissions: {
      publish: [ "serin.sample.api.web-1", "serin.sample._host.web-1", %EXTRA%
                 "$JS.API.DIRECT.GET.SERIN_COMMANDS.serin.command.web-1.*",
                 "$JS.API.DIRECT.GET.SERIN_ATTENTION.serin.attention.*" ]
      subscribe: [ "serin.command.web-1.*", "serin.attention.*", "_INBOX_web-1.>" ] } }
] })";

std::string users(const std::string& extra) {
  std::string text = kUsers;
  return text.replace(text.find("%EXTRA%"), 7, extra);
}

TEST(Uplink, ThePermissionsOfOneHostAreEnough) {
  NatsServer server({.extra_config = users("\"serin.event.api.web-1\",")});
  StreamClient client(server.url("admin", "secret"));
  client.add_agent_streams();
  client.publish(bus::command_subject("web-1", "api"), as_bytes("stored"));
  Agent agent(server.url("agent", "secret"));
  agent.send();
  ASSERT_TRUE(agent.until_acked(1)) << agent.uplink->stats().last_error;
  ASSERT_TRUE(agent.loop.until([&] { return !agent.heard.empty(); }));
  EXPECT_EQ(agent.heard[0].command, "stored");
  EXPECT_EQ(agent.uplink->stats().last_error, "");
}

TEST(Uplink, AForbiddenSubjectIsReportedInTheServersWordsAndHoldsUpNothingElse) {
  NatsServer server({.extra_config = users("")});
  StreamClient client(server.url("admin", "secret"));
  client.add_agent_streams();
  Agent agent(server.url("agent", "secret"));
  ASSERT_TRUE(agent.until_connected());
  const Event event = event_of("api");
  for (int i = 0; i < 100; ++i) agent.uplink->send(event, boot_now_us());
  agent.send_many(50);
  ASSERT_TRUE(agent.until_acked(50)) << agent.uplink->stats().last_error;
  ASSERT_TRUE(agent.until([](const Uplink::Stats& now) { return now.publish_failures > 0; }));
  auto stats = agent.uplink->stats();
  EXPECT_THAT(stats.last_error,
              HasSubstr("Permissions Violation for Publish to \"serin.event.api.web-1\""));
  EXPECT_EQ(stats.ring_messages, 100u) << "kept: the permission may come";
  const uint64_t failures = stats.publish_failures;
  EXPECT_LE(failures, 40u) << "not hammered";
  agent.send_many(50);
  ASSERT_TRUE(agent.until_acked(100));
}

TEST(Uplink, APermissionGivenLaterLetsWhatWaitedThrough) {
  NatsServer server({.extra_config = users("")});
  {
    StreamClient client(server.url("admin", "secret"));
    client.add_agent_streams();
  }
  Agent agent(server.url("agent", "secret"));
  const Event event = event_of("api");
  for (int i = 0; i < 10; ++i) agent.uplink->send(event, boot_now_us());
  ASSERT_TRUE(agent.until([](const Uplink::Stats& now) { return now.publish_failures > 0; }));
  server.stop();
  server.set_config(users("\"serin.event.api.web-1\","));
  server.start();
  ASSERT_TRUE(agent.until_acked(10)) << agent.uplink->stats().last_error;
}

TEST(Uplink, RefusedCredentialsAreRetriedForEver) {
  NatsServer server({.extra_config = "authorization { user: agent, password: other }"});
  Agent agent(server.url("agent", "secret"));
  agent.send();
  ASSERT_TRUE(agent.until(
      [](const Uplink::Stats& now) { return now.last_error.contains("uthorization"); }));
  server.stop();
  server.set_config("authorization { user: agent, password: secret }");
  server.start();
  StreamClient client(server.url("agent", "secret"));
  client.add_agent_streams();
  ASSERT_TRUE(agent.until_acked(1)) << agent.uplink->stats().last_error;
}

// ---- commands and attention

TEST(Uplink, TheLastCommandIsFetchedAtTheStartAndAgainAfterAReconnect) {
  NatsServer server;
  auto client = std::make_unique<StreamClient>(server.url());
  client->add_agent_streams();
  client->publish(bus::command_subject("web-1", "api"), as_bytes("first"));
  client->publish(bus::command_subject("web-1", "api"), as_bytes("second"));
  client->publish(bus::command_subject("web-2", "api"), as_bytes("for another host"));
  Agent agent(server.url());
  ASSERT_TRUE(agent.loop.until([&] { return agent.heard.size() == 1; }));
  EXPECT_EQ(agent.heard[0].command, "second");

  client.reset();
  server.kill();
  ASSERT_TRUE(agent.until([](const Uplink::Stats& now) { return !now.connected; }));
  server.start();
  ASSERT_TRUE(agent.loop.until([&] { return agent.heard.size() >= 2; }));
  EXPECT_EQ(agent.heard.back().command, "second");

  StreamClient again(server.url());
  again.publish(bus::command_subject("web-1", "api"), as_bytes("live"));
  ASSERT_TRUE(agent.loop.until([&] { return agent.heard.back().command == "live"; }));
}

TEST(Uplink, AttentionArrivesLiveAndStoredAndOnlyForItsServices) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_agent_streams();
  client.publish(bus::attention_subject("api"), as_bytes("interval_ms=1000 lasting_seconds=600"));
  Agent agent(server.url());
  ASSERT_TRUE(agent.loop.until([&] { return agent.heard.size() == 1; }));
  EXPECT_EQ(agent.heard[0].interval_ms, 1000u);
  EXPECT_LE(agent.heard[0].lasting_seconds, 600u);
  client.publish(bus::attention_subject("web"), as_bytes("interval_ms=1000 lasting_seconds=600"));
  client.publish(bus::attention_subject("api"), as_bytes("interval_ms=nonsense"));
  client.publish(bus::attention_subject("api"), as_bytes("interval_ms=500 lasting_seconds=60"));
  ASSERT_TRUE(agent.loop.until([&] { return agent.heard.size() == 2; }));
  EXPECT_EQ(agent.heard[1].interval_ms, 500u);
  EXPECT_EQ(agent.heard[1].lasting_seconds, 60u);
  EXPECT_THAT(agent.uplink->stats().last_error, HasSubstr("attention"));
}

TEST(Uplink, ClosingFlushesWhatItCan) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_agent_streams();
  TestLoop loop;
  auto uplink = Uplink::start(
      loop.get(), {.urls = {server.url()}, .host = "web-1", .boot_id = "boot", .services = {"api"}},
      {});
  ASSERT_TRUE(uplink);
  for (int i = 0; i < 300; ++i) (*uplink)->send(sample_of("api"), boot_now_us());
  bool closed = false;
  (*uplink)->close(10'000, [&] {
    uplink->reset();
    closed = true;
  });
  ASSERT_TRUE(loop.until([&] { return closed; }));
  expect_all_in_order(sequences(client), 300);
}

TEST(Uplink, ClosingDoesNotWaitForAServerThatIsAway) {
  NatsServer server({.started = false});
  TestLoop loop;
  auto uplink = Uplink::start(
      loop.get(), {.urls = {server.url()}, .host = "web-1", .boot_id = "boot", .services = {"api"}},
      {});
  ASSERT_TRUE(uplink);
  (*uplink)->send(sample_of("api"), boot_now_us());
  bool closed = false;
  (*uplink)->close(100, [&] { closed = true; });
  EXPECT_TRUE(loop.until([&] { return closed; }, 10s));
}

TEST(Uplink, ClosingDoesNotWaitForAFrozenServer) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_agent_streams();
  Agent agent(server.url());
  agent.send();
  ASSERT_TRUE(agent.until_acked(1));
  server.freeze();
  agent.send_many(100);
  bool closed = false;
  agent.uplink->close(100, [&] { closed = true; });
  EXPECT_TRUE(agent.loop.until([&] { return closed; }, 15s));
  agent.uplink.reset();
}

TEST(Uplink, SpeaksTlsWhenTheUrlSaysSo) {
  NatsServer server({.started = false});
  const std::string base = server.directory().string();
  const std::string make = fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
      "/CN=127.0.0.1 "
      "-addext subjectAltName=IP:127.0.0.1 -keyout {0}/key.pem -out {0}/cert.pem 2>{0}/openssl.log",
      base);
  ASSERT_EQ(std::system(make.c_str()), 0);
  server.set_config(
      fmt::format("tls {{ cert_file: \"{0}/cert.pem\", key_file: \"{0}/key.pem\" }}", base));
  server.start();
  const std::string url = fmt::format("tls://127.0.0.1:{}", server.port());
  Agent stranger(url);  // its authorities do not know this server
  stranger.send();
  ASSERT_TRUE(stranger.until([](const Uplink::Stats& now) { return !now.last_error.empty(); }))
      << stranger.uplink->stats().connected << server.log();
  EXPECT_FALSE(stranger.uplink->stats().connected);

  EXPECT_THAT(stranger.uplink->stats().last_error, HasSubstr("certificate"));

  const char* const before = std::getenv("SSL_CERT_FILE");
  const std::string authorities = before != nullptr ? before : "";
  ASSERT_EQ(setenv("SSL_CERT_FILE", (base + "/cert.pem").c_str(), 1), 0);
  Agent agent(url);
  EXPECT_TRUE(agent.until_connected()) << agent.uplink->stats().last_error;
  before != nullptr ? setenv("SSL_CERT_FILE", authorities.c_str(), 1) : unsetenv("SSL_CERT_FILE");
}

TEST(Uplink, CredentialsThatAreMissingAreNamed) {
  NatsServer server;
  StreamClient client(server.url());
  client.add_agent_streams();
  const auto path = server.directory() / "agent.creds";
  Agent agent(Uplink::Options{.urls = {server.url()}, .credentials = path});
  agent.send();
  ASSERT_TRUE(agent.until([&](const Uplink::Stats& now) {
    return now.last_error.contains(path.string());
  })) << agent.uplink->stats().last_error;
}

TEST(Uplink, WithoutAServerOrAHostNameItDoesNotStart) {
  TestLoop loop;
  EXPECT_FALSE(Uplink::start(loop.get(), {.urls = {}, .host = "web-1"}, {}));
  EXPECT_FALSE(Uplink::start(loop.get(), {.urls = {"nats://127.0.0.1:1"}, .host = ""}, {}));
}

}  // namespace
}  // namespace serin::agent
