#include "aggregator/notify/notifier.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/ids.h"
#include "tests/unit/aggregator_support/http_sink.h"
#include "tests/unit/aggregator_support/run_until.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin::aggregator {
namespace {

using Json = nlohmann::json;

core::Notification notification(const std::string& id, const std::string& kind = "rollback") {
  core::Notification n;
  n.effect_id = id;
  n.kind = kind;
  n.deploy = "api-9xk2";
  n.service = "api";
  n.version = "v2";
  n.hosts = {"web-07"};
  n.at_us = 1'795'176'000'000'000;
  n.text = "api v2 rolled back on web-07: " + id;
  return n;
}

class NotifierTest : public ::testing::Test {
 protected:
  NotifierTest() { reopen(); }

  void reopen() {
    notifier_.reset();
    store_.reset();
    store_ = std::move(*Store::open(dir_.path() / "serin.db"));
  }
  static Sink chat(const std::string& url) {
    return {.name = "chat", .url = url, .secret = {}, .on = {}};
  }
  void start(std::vector<Sink> sinks) {
    Notifier::Options options;
    options.sinks = std::move(sinks);
    options.public_url = "https://serin.example";
    options.wall_us = [] {
      return 1'795'176'000'000'000 + static_cast<int64_t>(uv_hrtime() / 1000);
    };
    options.schedule.first_ms = 2;
    options.schedule.longest_ms = 20;
    options.schedule.most_attempts = 5;
    options.timeout_ms = 200;
    options.settle_every_ms = 5;
    notifier_ = std::move(*Notifier::start(loop_.get(), *store_, std::move(options)));
  }
  Notifier::SinkCounters counters(size_t sink = 0) { return notifier_->counters()[sink]; }
  bool until(const std::function<bool()>& condition) { return run_until(loop_, condition); }

  TemporaryFolder dir_;
  UvLoop loop_;
  HttpSink receiver_{loop_.get()};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Notifier> notifier_;
};

TEST_F(NotifierTest, AWebhookArrivesWithItsIdAndIsStoredAsDelivered) {
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("api-9xk2/rollback//0"));
  ASSERT_TRUE(until([&] { return counters().delivered == 1; }));
  ASSERT_EQ(receiver_.requests().size(), 1u);
  const auto& request = receiver_.requests()[0];
  EXPECT_EQ(request.head.substr(0, request.head.find("\r\n")), "POST /hook HTTP/1.1");
  EXPECT_EQ(request.header("Serin-Delivery"), "api-9xk2/rollback//0");
  EXPECT_EQ(request.header("Content-Type"), "application/json");
  EXPECT_EQ(request.header("Serin-Signature"), "") << "no secret, no signature";
  const Json body = Json::parse(request.body);
  EXPECT_EQ(body["kind"], "rollback");
  EXPECT_EQ(body["url"], "https://serin.example/api/v1/deploys/api-9xk2");
  EXPECT_TRUE(store_->waiting().value().empty());
  EXPECT_TRUE(store_->knows("api-9xk2/rollback//0", "chat").value());
}

TEST_F(NotifierTest, TheSignatureCoversTimeAndBody) {
  Sink sink = chat(receiver_.url());
  sink.secret = "top secret";
  start({sink});
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters().delivered == 1; }));
  const auto& request = receiver_.requests()[0];
  const std::string header = request.header("Serin-Signature");
  ASSERT_EQ(header.substr(0, 2), "t=");
  const std::string seconds = header.substr(2, header.find(',') - 2);
  const std::string signed_text = seconds + "." + request.body;
  EXPECT_EQ(header, "t=" + seconds +
                        ",v1=" + hex(hmac_sha256(as_bytes("top secret"), as_bytes(signed_text))));
}

TEST(Signature, IsTheOneThatReceiversCompute) {
  // echo -n '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
  EXPECT_EQ(signature_header("key", 1'700'000'000, R"({"a":1})"),
            "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03");
}

TEST_F(NotifierTest, SlackGetsItsOwnForm) {
  Sink sink = chat(receiver_.url());
  sink.kind = Sink::Kind::slack;
  start({sink});
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters().delivered == 1; }));
  const Json body = Json::parse(receiver_.requests()[0].body);
  EXPECT_EQ(body.size(), 1u);
  EXPECT_NE(body["text"].get<std::string>().find("api v2 rolled back"), std::string::npos);
}

TEST_F(NotifierTest, ASinkGetsOnlyTheKindsItAskedFor) {
  Sink sink = chat(receiver_.url());
  sink.on = {"passed"};
  start({sink});
  notifier_->enqueue(notification("a", "rollback"));
  notifier_->enqueue(notification("b", "passed"));
  ASSERT_TRUE(until([&] { return counters().delivered == 1; }));
  EXPECT_EQ(receiver_.requests()[0].header("Serin-Delivery"), "b");
  EXPECT_FALSE(store_->knows("a", "chat").value());
}

TEST_F(NotifierTest, AnAnswerOf500IsTriedAgainAndTheOrderKept) {
  receiver_.answer({500, 503});
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  notifier_->enqueue(notification("b"));
  ASSERT_TRUE(until([&] { return counters().delivered == 2; }));
  ASSERT_EQ(receiver_.requests().size(), 4u);
  for (size_t i : {0u, 1u, 2u}) EXPECT_EQ(receiver_.requests()[i].header("Serin-Delivery"), "a");
  EXPECT_EQ(receiver_.requests()[3].header("Serin-Delivery"), "b");
  EXPECT_EQ(counters().failed_attempts, 2u);
  EXPECT_EQ(counters().last_error, "");
}

TEST_F(NotifierTest, AReceiverThatIsDownGetsItWhenItIsBack) {
  int port = 0;
  {
    port = HttpSink(loop_.get()).port();
  }
  start({chat("http://127.0.0.1:" + std::to_string(port) + "/hook")});
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters().failed_attempts >= 2; }));
  EXPECT_FALSE(counters().last_error.empty());
  HttpSink back(loop_.get(), port);
  ASSERT_TRUE(until([&] { return counters().delivered == 1; }));
  EXPECT_EQ(back.requests().size(), 1u);
}

TEST_F(NotifierTest, AReceiverThatIsSilentTimesOutAndHoldsUpNobodyElse) {
  HttpSink silent(loop_.get());
  silent.answer({HttpSink::kSilence});
  Sink slow = chat(silent.url());
  slow.name = "slow";
  start({slow, chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters(1).delivered == 1; }));
  EXPECT_EQ(counters(0).delivered, 0u);
  ASSERT_TRUE(until([&] { return counters(0).delivered == 1; }));
  EXPECT_EQ(counters(0).failed_attempts, 1u);
  EXPECT_EQ(silent.requests().size(), 2u);
}

TEST_F(NotifierTest, AttemptsAreBounded) {
  receiver_.answer({500, 500, 500, 500, 500});
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  notifier_->enqueue(notification("b"));
  ASSERT_TRUE(until([&] { return counters().delivered == 1; }));
  EXPECT_EQ(counters().given_up, 1u);
  EXPECT_EQ(receiver_.requests().size(), 6u);
  EXPECT_EQ(receiver_.requests().back().header("Serin-Delivery"), "b");
  EXPECT_TRUE(store_->waiting().value().empty());
}

TEST_F(NotifierTest, AnAnswerThatBlamesTheMessageIsGivenUpSoon) {
  receiver_.answer({400, 400, 400});
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters().given_up == 1; }));
  EXPECT_EQ(receiver_.requests().size(), 3u);
}

TEST_F(NotifierTest, TheReceiversWishToWaitIsFollowed) {
  receiver_.answer({429});
  receiver_.answer_headers("Retry-After: 3600\r\n");
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters().failed_attempts == 1; }));
  const auto waiting = store_->waiting().value();
  ASSERT_EQ(waiting.size(), 1u);
  EXPECT_GT(waiting[0].next_us - waiting[0].created_us, 3500LL * 1'000'000);
}

TEST_F(NotifierTest, WhatWasNotDeliveredIsSentAfterARestart) {
  receiver_.answer({HttpSink::kSilence});
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  notifier_->enqueue(notification("b"));
  ASSERT_TRUE(until([&] { return receiver_.requests().size() == 1; }));
  reopen();
  start({chat(receiver_.url())});
  ASSERT_TRUE(until([&] { return counters().delivered == 2; }));
  EXPECT_EQ(receiver_.requests()[1].header("Serin-Delivery"), "a") << "at least once";
  EXPECT_EQ(receiver_.requests()[2].header("Serin-Delivery"), "b");
}

TEST_F(NotifierTest, TheSameEffectIsSentOnceAlsoAfterARestart) {
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters().delivered == 1 && counters().waiting == 0; }));
  reopen();
  start({chat(receiver_.url())});
  notifier_->enqueue(notification("a"));
  notifier_->enqueue(notification("b"));
  ASSERT_TRUE(until([&] { return counters().delivered == 1; }));
  EXPECT_EQ(receiver_.requests().size(), 2u);
  EXPECT_EQ(receiver_.requests().back().header("Serin-Delivery"), "b");
}

TEST_F(NotifierTest, ASinkThatLeftTheConfigurationIsGivenUp) {
  start({chat("http://127.0.0.1:9/hook")});
  notifier_->enqueue(notification("a"));
  reopen();
  start({});
  EXPECT_TRUE(store_->waiting().value().empty());
}

TEST_F(NotifierTest, AFullDiskHoldsNoMessageBackAndIsMadeGoodLater) {
  start({chat(receiver_.url())});
  store_->database().limit_pages(store_->database().pages());
  auto long_one = notification("a");
  long_one.text.assign(100'000, 'x');
  notifier_->enqueue(long_one);
  EXPECT_EQ(notifier_->debts(), 1u);
  ASSERT_TRUE(until([&] { return counters().delivered == 1; })) << "sent from memory";
  EXPECT_FALSE(store_->knows("a", "chat").value());
  store_->database().limit_pages(0);
  ASSERT_TRUE(until([&] { return notifier_->debts() == 0; }));
  EXPECT_TRUE(store_->knows("a", "chat").value()) << "a restart will not send it again";
  EXPECT_TRUE(store_->waiting().value().empty());
}

TEST_F(NotifierTest, AnUrlThatIsNoneFailsAsAnAttempt) {
  start({chat("file:///etc/passwd")});
  notifier_->enqueue(notification("a"));
  ASSERT_TRUE(until([&] { return counters().failed_attempts >= 1; }));
  EXPECT_FALSE(counters().last_error.empty());
}

}  // namespace
}  // namespace serin::aggregator
