#include "agent/facts/service_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using testing::StartsWith;

constexpr uint64_t kSecond = 1'000'000;

class ServiceFactsTest : public testing::Test {
 protected:
  ServiceFactsTest() {
    const auto hosts = fs::path(SERIN_SOURCE_DIR) / "tests/support/hosts/debian-12";
    fs::copy(hosts / "proc", folder_ / "proc", fs::copy_options::recursive);
    fs::copy(hosts / "sys", folder_ / "sys", fs::copy_options::recursive);
    fs::create_directories(folder_ / "etc");
  }
  ServiceFacts& make(std::vector<std::string> config = {}) {
    HelperPort helper;
    helper.call = [this](const HelperRequest& request, HelperPort::Answer answer) {
      EXPECT_EQ(request.verb, HelperVerb::inspect);
      ++asked_;
      if (answers_)
        answer(reply_);
      else
        waiting_ = std::move(answer);
    };
    facts_.emplace(book_, "api", std::move(config), with_helper_ ? helper : HelperPort{},
                   HostRoots{.proc = folder_ / "proc", .sys = folder_ / "sys"});
    return *facts_;
  }
  Moment at(double seconds) {
    return {.boot_us = 5'000 * kSecond + static_cast<uint64_t>(seconds * 1e6), .wall_us = 1};
  }
  std::string value(std::string_view name) { return std::string(book_.find(name)); }
  std::string config(const char* file) {
    return value("config." + (folder_ / "etc" / file).string());
  }

  TempFolder folder_;
  FactBook book_{"api", [](Event, const Moment&) {}};
  std::optional<ServiceFacts> facts_;
  HelperReply reply_{
      .libraries = {.known = true, .list = {{"libc.so.6", "aaaa"}, {"libssl.so.3", "bbbb"}}}};
  HelperPort::Answer waiting_;
  int asked_ = 0;
  bool answers_ = true, with_helper_ = true;
};

TEST_F(ServiceFactsTest, AStartTellsTheLimitsOfProcessAndUnitAtOnce) {
  make().started(7, at(0));
  EXPECT_EQ(value("limits.nofile"), "1024/524288");
  EXPECT_EQ(value("unit.cpu_quota"), "1.50 CPUs");
  EXPECT_EQ(value("unit.memory_max"), "536870912");
  EXPECT_EQ(value("unit.memory_high"), "none");
  EXPECT_EQ(value("unit.tasks_max"), "4915");
}

TEST_F(ServiceFactsTest, AProcessThatIsGoneSaysWhyThereAreNone) {
  make().started(8, at(0));
  EXPECT_THAT(value("limits.nofile"), StartsWith("absent: "));
  EXPECT_EQ(value("unit.tasks_max"), "");
}

TEST_F(ServiceFactsTest, WhatTheProcessBeforeHadIsForgotten) {
  auto& facts = make();
  facts.started(7, at(0));
  facts.tick(at(2));
  EXPECT_EQ(value("library.libssl.so.3"), "bbbb");
  facts.ended();
  facts.started(8, at(3));
  EXPECT_EQ(value("library.libssl.so.3"), "");
  EXPECT_EQ(value("limits.stack"), "");
}

TEST_F(ServiceFactsTest, LimitsAreLookedAtEachMinute) {
  auto& facts = make();
  facts.started(7, at(0));
  write_text(folder_ / "proc/7/limits",
             "Max open files            99                   99   files\n");
  facts.tick(at(30));
  EXPECT_EQ(value("limits.nofile"), "1024/524288");
  facts.tick(at(61));
  EXPECT_EQ(value("limits.nofile"), "99/99");
}

TEST_F(ServiceFactsTest, LibrariesAreAskedForTwiceAProcess) {
  auto& facts = make();
  facts.started(7, at(0));
  EXPECT_EQ(asked_, 0) << "the loader is still at work";
  for (double second = 1; second < 300; second += 1) facts.tick(at(second));
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(value("library.libc.so.6"), "aaaa");
}

TEST_F(ServiceFactsTest, ALibraryThatWasReplacedIsUnknownNotAnother) {
  reply_.libraries.list = {{"libssl.so.3", "replaced"}};
  auto& facts = make();
  facts.started(7, at(0));
  facts.tick(at(2));
  EXPECT_EQ(value("library.libssl.so.3"), "absent: replaced");
}

TEST_F(ServiceFactsTest, ALateAnswerAboutAnEarlierProcessIsDropped) {
  answers_ = false;
  auto& facts = make();
  facts.started(7, at(0));
  facts.tick(at(2));
  facts.ended();
  facts.started(7, at(3));
  waiting_(reply_);
  EXPECT_EQ(value("library.libc.so.6"), "");
}

TEST_F(ServiceFactsTest, AnAnswerAfterItIsGoneHarmsNobody) {
  answers_ = false;
  auto& facts = make();
  facts.started(7, at(0));
  facts.tick(at(2));
  facts_.reset();
  waiting_(reply_);
  EXPECT_EQ(value("library.libc.so.6"), "");
}

TEST_F(ServiceFactsTest, WithoutAHelperLibrariesAreAbsentWithTheReason) {
  with_helper_ = false;
  auto& facts = make();
  facts.started(7, at(0));
  facts.tick(at(2));
  EXPECT_THAT(value("libraries.absent"), testing::HasSubstr("only the root helper"));
}

TEST_F(ServiceFactsTest, AHelperOfAnEarlierVersionTellsOfNone) {
  reply_ = {};
  auto& facts = make();
  facts.started(7, at(0));
  facts.tick(at(2));
  EXPECT_EQ(value("libraries.absent"), "absent: the helper does not tell of them");
}

TEST_F(ServiceFactsTest, ConfigurationIsToldByItsHashAlone) {
  write_text(folder_ / "etc/api.toml", "password = \"secret\"\n");
  auto& facts = make({(folder_ / "etc/*.toml").string()});
  facts.tick(at(0));
  const std::string before = config("api.toml");
  EXPECT_EQ(before, short_hash("password = \"secret\"\n"));
  write_text(folder_ / "etc/api.toml", "password = \"other!\"\n");
  facts.tick(at(61));
  EXPECT_NE(config("api.toml"), before);
}

TEST_F(ServiceFactsTest, AConfigurationFileThatComesOrGoesIsTold) {
  write_text(folder_ / "etc/a.toml", "a");
  auto& facts = make({(folder_ / "etc/*.toml").string()});
  facts.tick(at(0));
  fs::remove(folder_ / "etc/a.toml");
  write_text(folder_ / "etc/b.toml", "b");
  facts.tick(at(61));
  EXPECT_EQ(config("a.toml"), "");
  EXPECT_EQ(config("b.toml"), short_hash("b"));
}

TEST_F(ServiceFactsTest, AFileThatIsNotThereOrNoFileSaysSo) {
  fs::create_directories(folder_ / "etc/folder");
  ASSERT_EQ(::mkfifo((folder_ / "etc/pipe").c_str(), 0600), 0);
  make({(folder_ / "etc/none.toml").string(), (folder_ / "etc/folder").string(),
        (folder_ / "etc/pipe").string()})
      .tick(at(0));
  for (const char* file : {"none.toml", "folder", "pipe"})
    EXPECT_THAT(config(file), StartsWith("absent: ")) << file;
}

TEST_F(ServiceFactsTest, AFileThatMayNotBeReadSaysSo) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write_text(folder_ / "etc/secret.toml", "x");
  ::chmod((folder_ / "etc/secret.toml").c_str(), 0);
  make({(folder_ / "etc/secret.toml").string()}).tick(at(0));
  EXPECT_THAT(config("secret.toml"), testing::HasSubstr("Permission denied"));
}

TEST_F(ServiceFactsTest, AFolderOfManyFilesIsBoundedAndSaysSo) {
  for (int i = 0; i < 50; ++i) write_text(folder_ / ("etc/" + std::to_string(i) + ".toml"), "x");
  make({(folder_ / "etc/*.toml").string()}).tick(at(0));
  EXPECT_EQ(value("config.left_out"), "only the first 32 files");
}

}  // namespace
}  // namespace serin::agent
