#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/temp_folder.h"
#include "tests/unit/recorder/raw_file.h"
#include "tests/unit/recorder/recorders.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string error_of(const TempFolder& folder, const std::string& name) {
  auto file = open_file(folder.path(), name);
  return file ? "" : file.error().message;
}

TEST(RecorderFile, SumsAllShardsInWhateverPiecesItReadsThem) {
  TempFolder folder;
  RawFile raw(42);
  raw.header.shards = 16;
  raw.header.classes = 2;
  std::strcpy(raw.header.class_names[0], "read");
  std::strcpy(raw.header.class_names[1], "write");
  raw.header.shard_cells = (2 * SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS + 1 + 15) / 16 * 16;
  raw.cells.resize(16 * raw.header.shard_cells);
  for (size_t i = 0; i < raw.cells.size(); ++i) raw.cells[i] = i % raw.header.shard_cells;
  raw.write_to(folder.path());
  auto sums = read(only_file(folder.path()));
  ASSERT_EQ(sums.size(), size_t{2} * SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS + 1);
  for (size_t i = 0; i < sums.size(); ++i) ASSERT_EQ(sums[i], 16 * i);
}

TEST(RecorderFile, CutShortWhileItIsReadIsAnErrorAndNothingElse) {
  TempFolder folder;
  RawFile raw(42);
  raw.with(5).write_to(folder.path());
  auto file = only_file(folder.path());
  std::vector<uint64_t> sums;
  ASSERT_TRUE(file.read(sums));
  for (uintmax_t left :
       {raw.text().size() - 1, size_t{5000}, size_t{4096}, size_t{100}, size_t{0}}) {
    fs::resize_file(folder / raw.name(), left);
    auto got = file.read(sums);
    ASSERT_FALSE(got) << left;
    EXPECT_THAT(got.error().message, HasSubstr("cut short"));
  }
}

TEST(RecorderFile, FollowsNoLinkAndOpensNothingButAFileWithOneName) {
  TempFolder folder;
  RawFile raw(42);
  raw.write_to(folder.path());
  fs::create_symlink(raw.name(), folder / "api.43.0123456789abcdef");
  ASSERT_EQ(::mkfifo((folder / "api.44.0123456789abcdef").c_str(), 0644), 0);
  fs::create_directory(folder / "api.45.0123456789abcdef");
  fs::create_symlink("/dev/zero", folder / "api.46.0123456789abcdef");
  EXPECT_THAT(error_of(folder, "api.43.0123456789abcdef"), HasSubstr("link"));
  EXPECT_THAT(error_of(folder, "api.44.0123456789abcdef"), HasSubstr("regular"));
  EXPECT_THAT(error_of(folder, "api.45.0123456789abcdef"), HasSubstr("regular"));
  EXPECT_THAT(error_of(folder, "api.46.0123456789abcdef"), HasSubstr("link"));
  EXPECT_EQ(error_of(folder, raw.name()), "");
  fs::create_hard_link(folder / raw.name(), folder / "api.47.0123456789abcdef");
  EXPECT_THAT(error_of(folder, "api.47.0123456789abcdef"), HasSubstr("second name"));
}

}  // namespace
}  // namespace serin::agent
