#include "aggregator/core/drift.h"

#include <gtest/gtest.h>

#include <deque>

#include "schema/fact.h"

namespace serin::core {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

class DriftTest : public testing::Test {
 protected:
  Facts host(Pairs pairs) {
    Event event;
    event.from = {"h", "boot", 1, 1};
    event.kind = EventKind::facts;
    event.facts = std::move(pairs);
    Facts facts;
    facts.take(event, texts_);
    return facts;
  }
  void others(const std::vector<Pairs>& all) {
    for (const auto& pairs : all) kept_.push_back(host(pairs));
    usual_ = {};
    for (const auto& facts : kept_) usual_.add(facts);
  }
  std::vector<Difference> of(Pairs canary, Pairs before = {}) {
    canary_ = host(std::move(canary));
    return differences(canary_, host(std::move(before)), usual_);
  }
  FactTexts texts_;
  std::deque<Facts> kept_;
  UsualFacts usual_;
  Facts canary_;
};

TEST_F(DriftTest, AKernelThatNoOtherHostHasIsBlocking) {
  others({{{"kernel.release", "6.1"}}, {{"kernel.release", "6.1"}}, {{"kernel.release", "5.10"}}});
  const auto found = of({{"kernel.release", "6.6"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].blocking);
  EXPECT_EQ(found[0].canary, "6.6");
  EXPECT_EQ(found[0].baseline, "6.1") << "what most of them have";
}

TEST_F(DriftTest, OneHostThatHasTheSameIsEnough) {
  others({{{"cpu.model", "EPYC"}}, {{"cpu.model", "Xeon"}}});
  EXPECT_TRUE(of({{"cpu.model", "Xeon"}}).empty());
}

TEST_F(DriftTest, WhatTheOthersDoNotReportIsNotCompared) {
  others({{{"cpu.model", "EPYC"}}, {{"kernel.release", fact::absent("no permission")}}});
  EXPECT_TRUE(of({{"cpu.model", "EPYC"}, {"kernel.release", "6.1"}}).empty());
}

TEST_F(DriftTest, WhatTheCanaryCannotReadIsNotCompared) {
  others({{{"limits.nofile", "1/1"}}});
  EXPECT_TRUE(of({{"limits.nofile", fact::absent("no permission")}}).empty());
}

TEST_F(DriftTest, OtherSettingsAndFilesAreNamedOnly) {
  others(
      {{{"config./etc/api.toml", "aa"}, {"sysctl.vm.swappiness", "60"}, {"agent.version", "1"}}});
  const auto found =
      of({{"config./etc/api.toml", "bb"}, {"sysctl.vm.swappiness", "1"}, {"agent.version", "2"}});
  ASSERT_EQ(found.size(), 3u);
  for (const auto& difference : found) EXPECT_FALSE(difference.blocking) << difference.fact;
}

TEST_F(DriftTest, AKernelsLimitBlocksAndComesFirst) {
  others({{{"config.a", "1"}, {"sysctl.net.core.somaxconn", "4096"}}});
  const auto found = of({{"config.a", "2"}, {"sysctl.net.core.somaxconn", "128"}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].fact, "sysctl.net.core.somaxconn");
  EXPECT_TRUE(found[0].blocking);
}

TEST_F(DriftTest, WhatChangedWithTheDeploySaysWhatItWas) {
  others({{{"limits.nofile", "65536/65536"}}});
  const auto found = of({{"limits.nofile", "1024/4096"}}, {{"limits.nofile", "65536/65536"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].blocking) << "also where the release's own unit file changed it";
  EXPECT_EQ(found[0].before, "65536/65536");
}

TEST_F(DriftTest, AChangeWithTheDeployIsNamedEvenWhereAnotherHostHasTheSame) {
  others({{{"config.a", "2"}}, {{"config.a", "1"}}});
  const auto found = of({{"config.a", "2"}}, {{"config.a", "1"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].blocking);
  EXPECT_EQ(found[0].before, "1");
}

TEST_F(DriftTest, ALibraryOfAnotherBuildIsBlocking) {
  others({{{"library.libssl.so.3", "aaaa"}}});
  const auto found = of({{"library.libssl.so.3", "bbbb"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].blocking);
}

TEST_F(DriftTest, ALibraryThatTheReleaseBeganToNeedIsTheReleasesOwnDoing) {
  others({{{"library.libc.so.6", "c"}}});
  const auto found =
      of({{"library.libc.so.6", "c"}, {"library.libcurl.so.4", "d"}}, {{"library.libc.so.6", "c"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].blocking) << "it is named";
}

TEST_F(DriftTest, ALibraryThatOnlyThisHostPutsUnderEveryVersionIsBlocking) {
  others({{{"library.libc.so.6", "c"}}});
  const auto found = of({{"library.libc.so.6", "c"}, {"library.libjemalloc.so.2", "j"}},
                        {{"library.libc.so.6", "c"}, {"library.libjemalloc.so.2", "j"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].blocking);
  EXPECT_EQ(found[0].baseline, "");
}

TEST_F(DriftTest, LibrariesAreNotComparedWithHostsThatTellOfNone) {
  others({{{"cpu.model", "EPYC"}}});
  EXPECT_TRUE(of({{"library.libx.so", "1"}}, {{"library.libx.so", "1"}}).empty());
}

TEST_F(DriftTest, EachHostHasItsOwnBootAndPackagesAndOnlyAChangeIsNamed) {
  others({{{"boot.id", "a"}, {"package.hash", "x"}}});
  EXPECT_TRUE(of({{"boot.id", "b"}, {"package.hash", "y"}}).empty());
  const auto found =
      of({{"boot.id", "c"}, {"package.hash", "z"}}, {{"boot.id", "b"}, {"package.hash", "y"}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_FALSE(found[0].blocking);
}

TEST_F(DriftTest, ReadinessForARollbackIsNoDifference) {
  others({{{"rollback.ready", "yes"}, {"dead_man.seconds", "600"}, {"libraries.left_out", "1"}}});
  EXPECT_TRUE(
      of({{"rollback.ready", "no: held"}, {"dead_man.seconds", "1"}, {"libraries.left_out", "9"}},
         {{"rollback.ready", "yes"}, {"dead_man.seconds", "600"}})
          .empty());
}

TEST_F(DriftTest, LimitsThatFollowTheMemorySizeMayDifferByAFactorOfTwo) {
  EXPECT_TRUE(alike("limits.nproc", "31500/31500", "62000/62000"));
  EXPECT_FALSE(alike("limits.nproc", "31500/31500", "127000/127000"));
  EXPECT_FALSE(alike("limits.nproc", "31500/31500", "unlimited/unlimited"));
  EXPECT_TRUE(alike("limits.nproc", "unlimited/unlimited", "unlimited/unlimited"));
  EXPECT_FALSE(alike("limits.nofile", "1024/1024", "1023/1024"));
  EXPECT_FALSE(alike("limits.nproc", "31500/31500", "31500"));
}

}  // namespace
}  // namespace serin::core
