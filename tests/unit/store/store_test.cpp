#include "aggregator/store/store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "tests/unit/common/temporary_folder.h"

namespace serin::aggregator {
namespace {

OutboxRow row(const std::string& effect, const std::string& sink = "chat",
              int64_t created_us = 1000) {
  return {.effect_id = effect,
          .sink = sink,
          .kind = "rollback",
          .body = "{\"text\":\"ü\"}",
          .created_us = created_us,
          .next_us = created_us};
}

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open() {
    auto store = Store::open(file_);
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return std::move(*store);
  }
  TemporaryFolder dir_;
  std::filesystem::path file_ = dir_.path() / "serin.db";
};

TEST_F(StoreTest, MakesItsOwnFolder) {
  file_ = dir_.path() / "lib" / "aggregator" / "serin.db";
  EXPECT_FALSE(open()->in_memory());
  EXPECT_EQ(std::filesystem::status(file_.parent_path()).permissions(),
            std::filesystem::perms::owner_all);
}

TEST_F(StoreTest, IsFreshOnceAndReadableByItsOwnerOnly) {
  EXPECT_TRUE(open()->fresh());
  EXPECT_FALSE(open()->fresh());
  struct stat info{};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(StoreTest, AnEffectIsKnownForEachSinkOnce) {
  auto store = open();
  EXPECT_TRUE(store->add(row("a")).value());
  EXPECT_FALSE(store->add(row("a")).value());
  EXPECT_TRUE(store->add(row("a", "pager")).value());
  EXPECT_TRUE(store->knows("a", "chat").value());
  EXPECT_FALSE(store->knows("b", "chat").value());
}

TEST_F(StoreTest, WhatWaitsSurvivesARestartInItsOrder) {
  {
    auto store = open();
    for (const char* effect : {"c", "a", "b"}) ASSERT_TRUE(store->add(row(effect)).value());
    ASSERT_TRUE(store->retry_later("a", "chat", 5000, 2).has_value());
    ASSERT_TRUE(store->finish("c", "chat", Store::End::delivered, 2000).has_value());
  }
  const auto waiting = open()->waiting().value();
  ASSERT_EQ(waiting.size(), 2u);
  EXPECT_EQ(waiting[0].effect_id, "a");
  EXPECT_EQ(waiting[0].attempts, 2);
  EXPECT_EQ(waiting[0].next_us, 5000);
  EXPECT_EQ(waiting[0].body, "{\"text\":\"ü\"}");
  EXPECT_EQ(waiting[1].effect_id, "b");
}

TEST_F(StoreTest, WhatWasDeliveredIsNotAddedAgain) {
  auto store = open();
  ASSERT_TRUE(store->add(row("a")).value());
  ASSERT_TRUE(store->finish("a", "chat", Store::End::delivered, 2000).has_value());
  EXPECT_FALSE(store->add(row("a")).value());
  EXPECT_TRUE(store->waiting().value().empty());
}

TEST_F(StoreTest, AnActIsRememberedForADay) {
  auto store = open();
  constexpr int64_t kNow = 10'000'000'000'000;
  ASSERT_TRUE(store->remember({"anna|k1", "f1", "{}", kNow}).has_value());
  EXPECT_EQ(store->act("anna|k1").value()->fingerprint, "f1");
  EXPECT_FALSE(store->act("anna|k2").value().has_value());
  ASSERT_TRUE(store->trim(kNow + Store::kActLifeUs).has_value());
  EXPECT_TRUE(store->act("anna|k1").value().has_value());
  ASSERT_TRUE(store->trim(kNow + Store::kActLifeUs + 1).has_value());
  EXPECT_FALSE(store->act("anna|k1").value().has_value());
}

TEST_F(StoreTest, TrimmingForgetsOldDeliveriesAndNeverWhatStillWaits) {
  auto store = open();
  ASSERT_TRUE(store->add(row("old")).value());
  ASSERT_TRUE(store->add(row("waits")).value());
  ASSERT_TRUE(store->finish("old", "chat", Store::End::delivered, 2000).has_value());
  ASSERT_TRUE(store->trim(2000 + Store::kDeliveredLifeUs + 1).has_value());
  EXPECT_FALSE(store->knows("old", "chat").value());
  EXPECT_TRUE(store->knows("waits", "chat").value());
}

TEST_F(StoreTest, AFullDiskIsAnErrorThatIsCountedAndPasses) {
  auto store = open();
  ASSERT_TRUE(store->add(row("first")).value());
  store->database().limit_pages(store->database().pages());
  OutboxRow big = row("big");
  big.body.assign(100'000, 'x');
  auto refused = store->add(big);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("full"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("serin.db"), std::string::npos) << "it says where";
  EXPECT_EQ(store->failures(), 1u);
  EXPECT_FALSE(store->trouble().empty());
  EXPECT_EQ(store->waiting().value().size(), 1u) << "what was there is untouched";
  store->database().limit_pages(0);
  EXPECT_TRUE(store->add(big).value());
  EXPECT_TRUE(store->trouble().empty());
  EXPECT_EQ(store->failures(), 1u);
}

TEST_F(StoreTest, AFileThatIsNoDatabaseIsMovedAside) {
  std::ofstream(file_)
      << "this was a database once, and now it is a text of some length, long enough for a header";
  auto store = open();
  EXPECT_TRUE(store->fresh());
  EXPECT_EQ(store->set_aside(), file_.string() + ".broken-1");
  EXPECT_TRUE(std::filesystem::exists(store->set_aside()));
  EXPECT_TRUE(store->add(row("a")).value());
}

TEST_F(StoreTest, AFileTornInTheMiddleIsMovedAside) {
  {
    auto store = open();
    for (int i = 0; i < 200; ++i)
      ASSERT_TRUE(store->add(row("effect-" + std::to_string(i))).value());
  }
  {
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 * 2);
    file << std::string(4096 * 3, '\xa5');
  }
  auto store = open();
  EXPECT_TRUE(store->fresh());
  EXPECT_TRUE(store->add(row("a")).value());
}

TEST_F(StoreTest, ANewerSchemaIsRefusedAndLeftAlone) {
  ASSERT_TRUE(open()->database().run("PRAGMA user_version = 99").has_value());
  auto store = Store::open(file_);
  ASSERT_FALSE(store.has_value());
  EXPECT_NE(store.error().message.find("upgrade"), std::string::npos) << store.error().message;
}

TEST_F(StoreTest, ADiskThatIsFullAtTheStartIsLivedWithInMemory) {
  // No file may grow: what a full disk is to a file of our own.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit nothing{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &nothing), 0);
  auto store = Store::open(file_);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_TRUE(store.has_value()) << store.error().message;
  EXPECT_TRUE((*store)->in_memory());
  EXPECT_TRUE((*store)->fresh());
  EXPECT_NE((*store)->trouble().find("serin.db"), std::string::npos);
  EXPECT_TRUE((*store)->add(row("a")).value());
  EXPECT_FALSE((*store)->trouble().empty()) << "it goes on saying so";
  auto next = open();
  EXPECT_FALSE(next->in_memory());
  EXPECT_TRUE(next->fresh()) << "an empty file that was left behind knows nothing";
}

TEST_F(StoreTest, AFolderThatCannotBeMadeIsAClearError) {
  std::ofstream(dir_.path() / "file") << "in the way";
  auto store = Store::open(dir_.path() / "file" / "serin.db");
  ASSERT_FALSE(store.has_value());
  EXPECT_NE(store.error().message.find("[state] dir"), std::string::npos);
}

}  // namespace
}  // namespace serin::aggregator
