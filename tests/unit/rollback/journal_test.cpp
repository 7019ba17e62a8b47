#include "agent/rollback/journal.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "schema/wire.h"
#include "tests/support/rollback/host.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

constexpr const char* kId = "00112233445566778899aabbccddeeff";
const NewRecord kNew{.service = "api", .id = kId, .envelope = {1, 2, 3}};

class JournalTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(journals.prepare().has_value()); }
  void create() {
    const auto created = journals.create(kNew, 1000, observer);
    ASSERT_TRUE(created.has_value()) << created.error().message;
  }
  std::optional<Journal> take() {
    auto taken = Journal::take(journals, "api", clock, observer);
    EXPECT_TRUE(taken.has_value()) << (taken ? "" : taken.error().message);
    return taken ? std::move(*taken) : std::nullopt;
  }
  void add_raw(std::string_view text) {
    std::ofstream(journals.pending_path("api"), std::ios::app | std::ios::binary) << text;
  }

  TemporaryFolder folder;
  JournalFolder journals{folder.path()};
  SystemClock clock;
  StepObserver observer;
};

TEST_F(JournalTest, MakesItsFolderWhereNoneIs) {
  const fs::path state = folder.path() / "serin" / "rollback";
  ASSERT_TRUE(JournalFolder(state).prepare().has_value());
  EXPECT_EQ(static_cast<unsigned>(fs::status(state).permissions()), 0700U);
  EXPECT_EQ(static_cast<unsigned>(fs::status(state.parent_path()).permissions()), 0755U);
}

TEST_F(JournalTest, ReadsBackWhatItWrote) {
  create();
  {
    auto journal = take();
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->append("preflight", "two\nlines").has_value());
    ASSERT_TRUE(journal->append("will_switch", ".serin-12").has_value());
  }
  const auto record = journals.pending("api");
  ASSERT_TRUE(record && *record);
  EXPECT_EQ((*record)->id, kId);
  EXPECT_EQ((*record)->envelope, (Bytes{1, 2, 3}));
  ASSERT_EQ((*record)->entries.size(), 3U);
  EXPECT_EQ((*record)->entries[0].word, "accepted");
  EXPECT_EQ((*record)->entries[1].text, "two lines");
  EXPECT_FALSE((*record)->finished());
}

TEST_F(JournalTest, HalfALineThatAPowerCutLeftDoesNotCount) {
  for (const std::string& tail : {std::string("17000"), std::string("1700 switched"),
                                  std::string(20, '\0'), std::string("x y\n")}) {
    create();
    add_raw(tail);
    {
      auto journal = take();
      ASSERT_TRUE(journal);
      EXPECT_EQ(journal->record().entries.size(), 1U);
      ASSERT_TRUE(journal->append("preflight").has_value());
    }
    const auto record = journals.pending("api");
    ASSERT_TRUE(record && *record) << record.error().message;
    ASSERT_EQ((*record)->entries.size(), 2U);
    EXPECT_EQ((*record)->entries[1].word, "preflight");
    EXPECT_EQ((*record)->sound_bytes, fs::file_size(journals.pending_path("api")));
    fs::remove(journals.pending_path("api"));
  }
}

TEST_F(JournalTest, ALineThatCouldNotBeWrittenLeavesNothingBehind) {
  create();
  auto journal = take();
  ASSERT_TRUE(journal);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto size = fs::file_size(journals.pending_path("api"));
  const rlimit tight{.rlim_cur = size + 5, .rlim_max = before.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &tight);
  const auto refused = journal->append("will_restart");
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_FALSE(refused.has_value());
  EXPECT_EQ(fs::file_size(journals.pending_path("api")), size);
  ASSERT_TRUE(journal->append("failed", "no room").has_value());
  const auto record = journals.pending("api");
  ASSERT_EQ((*record)->entries.size(), 2U);
  EXPECT_TRUE((*record)->failed());
}

/// From the moment at which the journal is in place no file can be opened any more, so that its
/// folder cannot be synced.
class NoMoreFiles final : public StepObserver {
 public:
  NoMoreFiles() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~NoMoreFiles() override { ::setrlimit(RLIMIT_NOFILE, &before_); }
  void reached(std::string_view moment) override {
    const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
    if (moment == "journal in place") ::setrlimit(RLIMIT_NOFILE, &none);
  }

 private:
  rlimit before_{};
};

TEST_F(JournalTest, ACommandWhoseFolderCouldNotBeSyncedIsNotLeftPending) {
  {
    NoMoreFiles fault;
    EXPECT_FALSE(journals.create(kNew, 1000, fault));
  }
  EXPECT_FALSE(fs::exists(journals.pending_path("api")));
  EXPECT_TRUE(journals.pending_services().empty());
  create();
}

TEST_F(JournalTest, OnlyOneActionHoldsIt) {
  create();
  EXPECT_FALSE(journals.held("api"));
  {
    const auto first = take();
    ASSERT_TRUE(first);
    EXPECT_TRUE(journals.held("api"));
    EXPECT_FALSE(take());
  }
  EXPECT_FALSE(journals.held("api"));
  EXPECT_TRUE(take());
}

TEST_F(JournalTest, AFinishedOneIsTheLatestUntilTheNext) {
  create();
  auto journal = take();
  ASSERT_TRUE(journal->append("failed", "for a reason").has_value());
  ASSERT_TRUE(journal->retire().has_value());
  EXPECT_FALSE(fs::exists(journals.pending_path("api")));
  auto latest = journals.latest("api");
  ASSERT_TRUE(latest && *latest);
  EXPECT_TRUE((*latest)->failed());
  EXPECT_FALSE(*journals.latest("ap"));
  ASSERT_TRUE(
      journals.create({.service = "api", .id = "ff", .envelope = {4}}, 1, observer).has_value());
  latest = journals.latest("api");
  EXPECT_EQ((*latest)->id, "ff");
}

TEST_F(JournalTest, ForgetsAfterThirtyDaysButNotBeforeTheCommandsDeadline) {
  TestHost host;
  auto command = host.command();
  const JournalFolder state(host.settings.state);
  ASSERT_TRUE(state.prepare().has_value());
  const auto write = [&](int64_t not_after_us) {
    command.not_after_us = not_after_us;
    ASSERT_TRUE(state
                    .create({.service = "api", .id = command.id, .envelope = host.sign(command)}, 1,
                            observer)
                    .has_value());
    ASSERT_TRUE(state.retire(**state.pending("api")).has_value());
  };
  const int64_t now = clock.wall_us();
  const int64_t later = now + 31 * int64_t{86400} * kSecondUs;
  write(now);
  state.trim(now);
  EXPECT_TRUE(fs::exists(state.done_path(command.id)));
  state.trim(later);
  EXPECT_FALSE(fs::exists(state.done_path(command.id)));
  write(later + 1);
  state.trim(later);
  EXPECT_TRUE(fs::exists(state.done_path(command.id)));
}

TEST_F(JournalTest, KeepsRoomForTheSteps) {
  create();
  struct stat facts {};
  ASSERT_EQ(::stat(journals.pending_path("api").c_str(), &facts), 0);
  EXPECT_GE(facts.st_blocks * 512, 64 * 1024);
}

TEST_F(JournalTest, AFolderThatOthersMayWriteIsRefused) {
  ::chmod((folder.path() / "done").c_str(), 0777);
  EXPECT_FALSE(journals.prepare().has_value());
}

/// A file system that is almost full; skipped where it cannot be mounted.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& at) : at_(at) {
    mounted_ = ::mount("none", at.c_str(), "tmpfs", 0, "size=160k,mode=0700") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }
  void fill() const { std::ofstream(at_ / "ballast") << std::string(200 * 1024, 'x'); }

 private:
  fs::path at_;
  bool mounted_;
};

TEST(FullDisk, IsRefusedBeforeTheFirstStep) {
  TestHost host;
  host.start("v2");
  const SmallDisk disk(host.settings.state);
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
  ASSERT_EQ(host.status().answer, HelperAnswer::ok);
  disk.fill();
  const auto reply = host.execute(host.command());
  EXPECT_EQ(reply.answer, HelperAnswer::refused);
  EXPECT_NE(reply.text.find("nothing was done"), std::string::npos) << reply.text;
  EXPECT_TRUE(host.launcher.launched.empty());
  EXPECT_TRUE(fs::is_empty(host.settings.state / "pending"));
  fs::remove(host.settings.state / "ballast");
  EXPECT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted) << "and is possible again";
}

TEST(FullDisk, DoesNotKeepAnAcceptedActionFromItsSteps) {
  TestHost host;
  host.start("v2");
  const SmallDisk disk(host.settings.state);
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  disk.fill();
  StepObserver observer;
  auto journal = Journal::take(JournalFolder(host.settings.state), "api", host.clock, observer);
  ASSERT_TRUE(journal && *journal);
  for (int i = 0; i < 200; ++i) {
    const auto added = (*journal)->append("note", std::string(250, 'n'));
    ASSERT_TRUE(added.has_value()) << i << ": " << added.error().message;
  }
}

}  // namespace
}  // namespace serin::helper
