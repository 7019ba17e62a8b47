#include "aggregator/config.h"

#include <gtest/gtest.h>

#include "tests/unit/common/temporary_folder.h"

namespace serin::aggregator {
namespace {

class ConfigTest : public ::testing::Test {
 protected:
  Result<AggregatorConfig> load(const std::string& text) {
    return load_aggregator_config(folder_.write("aggregator.toml", text));
  }
  /// What is said about a text, after the least that is needed.
  std::string problem(const std::string& text) {
    auto config = load("[nats]\nurl = \"nats://127.0.0.1:4222\"\n" + text);
    return config ? "accepted" : config.error().message;
  }
  void expect_problem(const std::string& text, const std::string& words) {
    const std::string said = problem(text);
    EXPECT_NE(said.find(words), std::string::npos) << text << "\n-> " << said;
  }
  TemporaryFolder folder_;
};

TEST_F(ConfigTest, TheLeastIsAnAddressOfNats) {
  const auto config = load("[nats]\nurl = \"nats://127.0.0.1:4222\"\n");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->listen.text(), "127.0.0.1:8420");
  EXPECT_FALSE(config->tokens.has_value());
  EXPECT_EQ(config->state_dir, "/var/lib/serin/aggregator");
  EXPECT_TRUE(config->sinks.empty());
  EXPECT_EQ(config->bus.limits.input_bytes, 2LL << 30);
}

TEST_F(ConfigTest, EverythingCanBeSet) {
  const auto url = folder_.write("slack.url", "https://hooks.example/T0/secret\n");
  const auto secret = folder_.write("hook.secret", "s3cret\r\n");
  const auto config = load(
      "[nats]\nurl = [\"tls://a:4222\", \"tls://b:4222\"]\ncredentials = "
      "\"/etc/serin/aggregator.creds\"\n"
      "[nats.streams]\ninput_bytes = 1073741824\ninput_age = \"4h\"\n"
      "[api]\nlisten = \"0.0.0.0:8421\"\ntokens = \"/etc/serin/tokens.toml\"\npublic_url = "
      "\"https://serin.example/\"\n"
      "[state]\ndir = \"/srv/state\"\n[signing]\nkey = \"/srv/key\"\n"
      "[policy.default]\nwatch_window = \"45s\"\n[policy.api]\nwatch_window = \"20m\"\n"
      "[[notify]]\nkind = \"slack\"\nname = \"chat\"\nurl_file = \"" +
      url.string() +
      "\"\non = [\"rollback\", \"passed\"]\n"
      "[[notify]]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/x\"\nsecret_file = \"" +
      secret.string() + "\"\n");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->bus.urls.size(), 2u);
  EXPECT_EQ(config->bus.credentials, "/etc/serin/aggregator.creds");
  EXPECT_EQ(config->bus.limits.input_bytes, 1LL << 30);
  EXPECT_EQ(config->bus.limits.input_age_seconds, 14'400);
  EXPECT_EQ(config->listen.port, 8421);
  EXPECT_EQ(config->public_url, "https://serin.example");
  EXPECT_EQ(config->signing_key, "/srv/key");
  EXPECT_EQ(config->policies.of("api").watch_window_seconds, 1200);
  EXPECT_EQ(config->policies.of("web").watch_window_seconds, 45);
  ASSERT_EQ(config->sinks.size(), 2u);
  EXPECT_EQ(config->sinks[0].name, "chat");
  EXPECT_EQ(config->sinks[0].kind, Sink::Kind::slack);
  EXPECT_EQ(config->sinks[0].url, "https://hooks.example/T0/secret");
  EXPECT_EQ(config->sinks[0].on.size(), 2u);
  EXPECT_EQ(config->sinks[1].name, "webhook-2");
  EXPECT_EQ(config->sinks[1].secret, "s3cret");
}

TEST_F(ConfigTest, MistakesAreNamedWithLineAndRemedy) {
  expect_problem("[api]\nlistn = \"127.0.0.1:1\"\n", "aggregator.toml:4");
  expect_problem("[api]\nlistn = \"127.0.0.1:1\"\n", "listen");
  expect_problem("[api]\nlisten = \"somewhere\"\n", "127.0.0.1:8420");
  expect_problem("[api]\nlisten = \"0.0.0.0:1\"\n", "tokens");
  expect_problem("[api]\npublic_url = \"serin.example\"\n", "http");
  expect_problem("[nats.streams]\ninput_bytes = 5\n", "input_bytes");
  expect_problem("[nats.streams]\ninput_age = \"5s\"\n", "10m");
  expect_problem("[[notify]]\nkind = \"webhok\"\nurl = \"http://x\"\n", "webhook");
  expect_problem("[[notify]]\nkind = \"webhook\"\n", "url");
  expect_problem("[[notify]]\nkind = \"webhook\"\nurl = \"ftp://x\"\n", "http");
  expect_problem("[[notify]]\nkind = \"webhook\"\nurl_file = \"/no/such/file\"\n", "/no/such/file");
  expect_problem("[[notify]]\nkind = \"webhook\"\nurl = \"http://x\"\non = [\"rolback\"]\n",
                 "did you mean \"rollback\"");
  expect_problem(
      "[[notify]]\nkind = \"webhook\"\nurl = \"http://x\"\nname = \"a\"\n"
      "[[notify]]\nkind = \"webhook\"\nurl = \"http://y\"\nname = \"a\"\n",
      "twice");
  expect_problem("[policy.default]\nwatch_windw = \"45s\"\n", "watch_window");
  expect_problem("[sate]\ndir = \"/x\"\n", "state");
}

TEST_F(ConfigTest, ASecretAddressIsNotRepeatedInAMessage) {
  const auto file = folder_.write("slack.url", "hooks.example/T0/topsecret\n");
  const std::string said =
      problem("[[notify]]\nkind = \"slack\"\nurl_file = \"" + file.string() + "\"\n");
  EXPECT_NE(said, "accepted");
  EXPECT_EQ(said.find("topsecret"), std::string::npos) << said;
}

TEST_F(ConfigTest, WithoutNatsThereIsNoStart) {
  for (const char* text :
       {"", "[nats]\n", "[nats]\nurl = []\n", "[nats]\nurl = \"127.0.0.1:4222\"\n"}) {
    const auto config = load(text);
    ASSERT_FALSE(config.has_value()) << text;
    EXPECT_NE(config.error().message.find("nats"), std::string::npos) << config.error().message;
  }
  EXPECT_FALSE(load_aggregator_config(folder_.path() / "absent.toml").has_value());
}

}  // namespace
}  // namespace serin::aggregator
