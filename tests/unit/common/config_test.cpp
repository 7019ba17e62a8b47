#include "common/config.h"

#include <gtest/gtest.h>

#include "tests/unit/common/temporary_folder.h"

namespace serin {
namespace {

ConfigTable parsed(std::string_view text) {
  auto table = ConfigTable::parse_text(text, "agent.toml");
  if (!table) throw std::runtime_error(table.error().message);
  return std::move(*table);
}

/// What finish() says, empty for "all is well".
std::string problems_of(ConfigTable& table) {
  const auto finished = table.finish();
  return finished ? "" : finished.error().message;
}

TEST(Config, EveryKindOfValueIsRead) {
  auto root = parsed(R"(
text = "a"
whole = 7
real = 2.5
whole_as_number = 3
yes = true
one = "x"
list = ["x", "y"]
wait = "10m"
part = "2.5%"
plain_part = 0.25
[sub]
key = "inner"
[labels]
zone = "eu-1a"
role = "web"
[[rule]]
n = 1
[[rule]]
n = 2
)");
  EXPECT_EQ(root.string("text"), "a");
  EXPECT_EQ(root.integer("whole", 0, 10), 7);
  EXPECT_EQ(root.number("real", 0, 10), 2.5);
  EXPECT_EQ(root.number("whole_as_number", 0, 10), 3.0);
  EXPECT_EQ(root.boolean("yes"), true);
  EXPECT_EQ(root.strings("one"), std::vector<std::string>{"x"});
  EXPECT_EQ(root.strings("list"), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(root.duration_seconds("wait"), 600.0);
  EXPECT_EQ(root.share("part"), 0.025);
  EXPECT_EQ(root.share("plain_part"), 0.25);
  EXPECT_EQ(root.table("sub")->string("key"), "inner");
  const std::vector<std::pair<std::string, std::string>> labels = {{"role", "web"},
                                                                   {"zone", "eu-1a"}};
  EXPECT_EQ(root.table("labels")->string_map(), labels);
  auto rules = root.tables("rule");
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].integer("n", 0, 9), 1);
  EXPECT_EQ(rules[1].integer("n", 0, 9), 2);
  EXPECT_EQ(problems_of(root), "");
}

TEST(Config, AbsentKeysReadAsAbsentAndAreNoProblem) {
  auto root = parsed("");
  EXPECT_FALSE(root.string("a"));
  EXPECT_FALSE(root.integer("a", 0, 1));
  EXPECT_FALSE(root.number("a", 0, 1));
  EXPECT_FALSE(root.boolean("a"));
  EXPECT_FALSE(root.strings("a"));
  EXPECT_FALSE(root.duration_seconds("a"));
  EXPECT_FALSE(root.share("a"));
  EXPECT_FALSE(root.table("a"));
  EXPECT_TRUE(root.tables("a").empty());
  EXPECT_TRUE(root.string_map().empty());
  EXPECT_TRUE(root.table_names().empty());
  EXPECT_EQ(problems_of(root), "");
}

TEST(Config, AnUnknownKeyIsNamedWithLineAndNearestKnownKey) {
  auto root = parsed("\n\n[host]\nid = \"web-07\"\n\n[nats]\nulr = \"nats://127.0.0.1\"\n");
  EXPECT_EQ(root.table("host")->string("id"), "web-07");
  auto nats = root.table("nats");
  nats->strings("url");
  nats->string("credentials");
  EXPECT_EQ(problems_of(root), "agent.toml:7: unknown key 'nats.ulr' (did you mean 'url'?)");
}

TEST(Config, AKeyThatNothingResemblesIsAnsweredWithWhatThereIs) {
  auto root = parsed("colour = 1\n");
  root.string("url");
  root.string("credentials");
  EXPECT_EQ(problems_of(root), "agent.toml:1: unknown key 'colour' (known here: credentials, url)");
}

TEST(Config, AnUnknownTableIsOneProblemWhateverItHolds) {
  auto root = parsed("[host]\nid = \"a\"\n[hots]\nid = \"b\"\nlabels = { a = \"b\" }\n");
  root.table("host")->string("id");
  EXPECT_EQ(problems_of(root), "agent.toml:3: unknown key 'hots' (did you mean 'host'?)");
}

TEST(Config, UnknownKeysAreFoundInListsOfTablesAndInlineTables) {
  auto root = parsed("inline = { a = 1, b = 2 }\n[[rule]]\nn = 1\n[[rule]]\nn = 2\nm = 3\n");
  root.table("inline")->integer("a", 0, 9);
  for (auto& rule : root.tables("rule")) rule.integer("n", 0, 9);
  EXPECT_EQ(problems_of(root),
            "agent.toml:1: unknown key 'inline.b' (known here: a)\n"
            "agent.toml:6: unknown key 'rule.m' (known here: n)");
}

TEST(Config, WrongTypesSayWhatWasExpected) {
  auto root = parsed(
      "a = 1\nb = \"x\"\nc = \"x\"\nd = \"yes\"\ne = 2\nf = 10\ng = true\nh = \"x\"\ni = \"x\"\n"
      "j = [\"x\", 1]\nk = [1]\nl = 2020-01-01\n");
  EXPECT_FALSE(root.string("a"));
  EXPECT_FALSE(root.integer("b", 1, 9));
  EXPECT_FALSE(root.number("c", 0, 1));
  EXPECT_FALSE(root.boolean("d"));
  EXPECT_FALSE(root.strings("e"));
  EXPECT_FALSE(root.duration_seconds("f"));
  EXPECT_FALSE(root.share("g"));
  EXPECT_FALSE(root.table("h"));
  EXPECT_TRUE(root.tables("i").empty());
  EXPECT_FALSE(root.strings("j"));
  EXPECT_TRUE(root.tables("k").empty());
  EXPECT_FALSE(root.string("l"));
  EXPECT_EQ(problems_of(root),
            "agent.toml:1: 'a' must be a text in quotes, not a whole number\n"
            "agent.toml:2: 'b' must be a whole number from 1 to 9, not a text in quotes\n"
            "agent.toml:3: 'c' must be a number from 0 to 1, not a text in quotes\n"
            "agent.toml:4: 'd' must be true or false, not a text in quotes\n"
            "agent.toml:5: 'e' must be a text in quotes or a list of such, not a whole number\n"
            "agent.toml:6: 'f' must be a duration in quotes such as \"45s\" or \"10m\", not a "
            "whole number\n"
            "agent.toml:7: 'g' must be a number from 0 to 1, not true or false\n"
            "agent.toml:8: 'h' must be a table, not a text in quotes\n"
            "agent.toml:9: 'i' must be a list of tables: write [[i]]\n"
            "agent.toml:10: 'j' must hold texts in quotes, not a whole number\n"
            "agent.toml:11: 'k' must hold tables, not a whole number\n"
            "agent.toml:12: 'l' must be a text in quotes, not a date or time");
}

TEST(Config, NumbersOutsideTheirLimitsAreProblems) {
  auto root = parsed("a = 0\nb = 10\nc = nan\nd = inf\ne = 1.5\nf = 2.5\n");
  EXPECT_FALSE(root.integer("a", 1, 9));
  EXPECT_FALSE(root.integer("b", 1, 9));
  EXPECT_FALSE(root.number("c", 0, 1));
  EXPECT_FALSE(root.number("d", 0, 1));
  EXPECT_FALSE(root.share("e"));
  EXPECT_FALSE(root.integer("f", 1, 9));
  EXPECT_EQ(problems_of(root),
            "agent.toml:1: 'a' must be from 1 to 9, not 0\n"
            "agent.toml:2: 'b' must be from 1 to 9, not 10\n"
            "agent.toml:3: 'c' must be from 0 to 1, not nan\n"
            "agent.toml:4: 'd' must be from 0 to 1, not inf\n"
            "agent.toml:5: 'e' must be from 0 to 1, not 1.5\n"
            "agent.toml:6: 'f' must be a whole number from 1 to 9, not a number");
}

TEST(Config, DurationsHaveAUnit) {
  const std::vector<std::pair<std::string, double>> good = {
      {"250ms", 0.25}, {"45s", 45},    {"10m", 600}, {"2h", 7200},
      {"1d", 86400},   {"1.5h", 5400}, {"0s", 0}};
  for (const auto& [text, seconds] : good) {
    auto root = parsed("d = \"" + text + "\"");
    EXPECT_EQ(root.duration_seconds("d"), seconds) << text;
  }
  for (const auto* text : {"", "10", "m", "-5s", "+5s", "5 s", "5S", "1e3s", "inf", "nans", "5min",
                           "1h30m", ".", "1.2.3s", "99999d", "999999999999999999999999s"}) {
    auto root = parsed(std::string("d = \"") + text + "\"");
    EXPECT_FALSE(root.duration_seconds("d")) << text;
    EXPECT_NE(problems_of(root).find("agent.toml:1: 'd' must be a duration such as"),
              std::string::npos);
  }
}

TEST(Config, SharesArePercentOrPlain) {
  const std::vector<std::pair<std::string, double>> good = {{"\"10%\"", 0.1}, {"\"0%\"", 0},
                                                            {"\"100%\"", 1},  {"\"0.5%\"", 0.005},
                                                            {"1", 1},         {"0.7", 0.7}};
  for (const auto& [text, share] : good) {
    auto root = parsed("s = " + text);
    EXPECT_EQ(root.share("s"), share) << text;
  }
  for (const auto* text :
       {"\"10\"", "\"%\"", "\"101%\"", "\"-1%\"", "\"1%%\"", "1.1", "-0.1", "[1]"}) {
    auto root = parsed(std::string("s = ") + text);
    EXPECT_FALSE(root.share("s")) << text;
    EXPECT_NE(problems_of(root), "") << text;
  }
}

TEST(Config, ProblemsOfMeaningCarryTheirLine) {
  auto root = parsed("[nats]\nurl = \"x\"\n[[rule]]\nn = 1\n");
  auto nats = root.table("nats");
  nats->string("url");
  nats->problem("url", "must begin with nats:// or tls://");
  nats->missing("credentials", "the file that lets this host in");
  auto rules = root.tables("rule");
  rules[0].integer("n", 0, 9);
  rules[0].missing("m", "what it is for");
  root.missing("host", "who this is");
  EXPECT_EQ(problems_of(root),
            "agent.toml: missing key 'host': who this is\n"
            "agent.toml:1: missing key 'nats.credentials': the file that lets this host in\n"
            "agent.toml:2: 'nats.url' must begin with nats:// or tls://\n"
            "agent.toml:3: missing key 'rule.m': what it is for");
}

TEST(Config, KindLooksWithoutTickingOff) {
  auto root = parsed("a = \"x\"\nb = 1\nc = 1.5\nd = true\ne = []\nf = {}\ng = 2020-01-01\n");
  using Kind = ConfigTable::Kind;
  EXPECT_EQ(root.kind("a"), Kind::string);
  EXPECT_EQ(root.kind("b"), Kind::integer);
  EXPECT_EQ(root.kind("c"), Kind::number);
  EXPECT_EQ(root.kind("d"), Kind::boolean);
  EXPECT_EQ(root.kind("e"), Kind::array);
  EXPECT_EQ(root.kind("f"), Kind::table);
  EXPECT_EQ(root.kind("g"), Kind::other);
  EXPECT_EQ(root.kind("h"), Kind::absent);
  EXPECT_TRUE(root.has("a"));
  EXPECT_FALSE(root.has("h"));
  const std::string problems = problems_of(root);
  EXPECT_NE(problems.find("agent.toml:1: unknown key 'a'"), std::string::npos);
  EXPECT_NE(problems.find("agent.toml:7: unknown key 'g'"), std::string::npos);
}

TEST(Config, NamesOfTablesAreForKeysThatTheOperatorChooses) {
  auto root = parsed("[policy.default]\nmode = \"enforce\"\n[policy.api]\nmode = \"observe\"\n");
  auto policy = root.table("policy");
  EXPECT_EQ(policy->table_names(), (std::vector<std::string>{"api", "default"}));
  for (const auto& name : policy->table_names()) policy->table(name)->string("mode");
  EXPECT_EQ(problems_of(root), "");
}

TEST(Config, BrokenTomlIsOneErrorWithItsLine) {
  const auto broken = ConfigTable::parse_text("a = 1\nb = \n", "agent.toml");
  ASSERT_FALSE(broken);
  EXPECT_TRUE(broken.error().message.starts_with("agent.toml:2: ")) << broken.error().message;
  const auto twice = ConfigTable::parse_text("a = 1\na = 2\n", "agent.toml");
  ASSERT_FALSE(twice);
  EXPECT_TRUE(twice.error().message.starts_with("agent.toml:2: ")) << twice.error().message;
  EXPECT_FALSE(ConfigTable::parse_text("a = \"\xFF\"\n", "agent.toml"));
  EXPECT_FALSE(ConfigTable::parse_text(std::string(100'000, '['), "agent.toml"));
  EXPECT_FALSE(ConfigTable::parse_text("a = " + std::string(100'000, '['), "agent.toml"));
}

TEST(Config, AFileThatCannotBeReadIsNamed) {
  const TemporaryFolder folder;
  const auto absent = ConfigTable::parse_file(folder.path() / "agent.toml");
  ASSERT_FALSE(absent);
  EXPECT_NE(absent.error().message.find("agent.toml: No such file"), std::string::npos);
  EXPECT_FALSE(ConfigTable::parse_file(folder.write("large.toml", std::string(2'000'000, '#'))));
  auto good = ConfigTable::parse_file(folder.write("good.toml", "a = 1\n"));
  ASSERT_TRUE(good);
  EXPECT_EQ(problems_of(*good), (folder.path() / "good.toml").native() + ":1: unknown key 'a'");
}

TEST(Config, ATableOutlivesTheOneItCameFrom) {
  std::optional<ConfigTable> inner;
  {
    auto root = parsed("[a]\nb = \"x\"\n");
    inner = root.table("a");
  }
  EXPECT_EQ(inner->string("b"), "x");
  EXPECT_EQ(problems_of(*inner), "");
}

TEST(Config, TheNearestWordIsAtMostThreeEditsAway) {
  const std::vector<std::string> known = {"url", "credentials", "watch_window", "mode"};
  EXPECT_EQ(nearest_word("ulr", known), "url");
  EXPECT_EQ(nearest_word("credential", known), "credentials");
  EXPECT_EQ(nearest_word("watchwindow", known), "watch_window");
  EXPECT_EQ(nearest_word("wacthwindwo", known), "watch_window");
  EXPECT_EQ(nearest_word("moed", known), "mode");
  EXPECT_EQ(nearest_word("xyz", known), "");
  EXPECT_EQ(nearest_word("u", known), "");
  EXPECT_EQ(nearest_word("", known), "");
  EXPECT_EQ(nearest_word("colour_of_it", known), "");
  EXPECT_EQ(nearest_word(std::string(1000, 'u'), known), "");
  EXPECT_EQ(nearest_word("mode", {}), "");
}

}  // namespace
}  // namespace serin
