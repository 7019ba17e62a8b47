#include <gtest/gtest.h>

#include "agent/recorder/store.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

using Saved = RecorderStore::Saved;

Saved some(size_t files) {
  Saved saved{.boot_us = 123, .files = {}};
  for (size_t i = 0; i < files; ++i)
    saved.files.push_back({.name = "api." + std::to_string(i + 1) + ".0123456789abcdef",
                           .identity = {.device = 7, .inode = i},
                           .sums = {0, 5, 0, i}});
  return saved;
}

void expect_same(const std::optional<Saved>& loaded, const Saved& saved) {
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->boot_us, saved.boot_us);
  ASSERT_EQ(loaded->files.size(), saved.files.size());
  for (size_t i = 0; i < saved.files.size(); ++i) {
    EXPECT_EQ(loaded->files[i].name, saved.files[i].name);
    EXPECT_EQ(loaded->files[i].identity, saved.files[i].identity);
    EXPECT_EQ(loaded->files[i].sums, saved.files[i].sums);
  }
}

TEST(RecorderStore, GivesBackWhatWasSavedLastAlsoWhenThatIsShorter) {
  TempFolder folder;
  auto store = RecorderStore::open(folder / "saved", "boot");
  ASSERT_TRUE(store);
  EXPECT_FALSE(store->load());
  store->save(some(9));
  store->save(some(2));
  EXPECT_EQ(store->failures(), 0U);
  auto again = RecorderStore::open(folder / "saved", "boot");
  ASSERT_TRUE(again);
  expect_same(again->load(), some(2));
  expect_same(store->load(), some(2));
}

TEST(RecorderStore, ForgetsWhatAnotherBootOrATornWriteLeft) {
  TempFolder folder;
  auto store = RecorderStore::open(folder / "saved", "boot");
  store->save(some(2));
  EXPECT_FALSE(RecorderStore::open(folder / "saved", "other")->load());
  std::fstream(folder / "saved", std::ios::in | std::ios::out) << "0";
  EXPECT_FALSE(store->load());
}

TEST(RecorderStore, ReadsNoTextThatItDidNotWrite) {
  auto text = saved_text(some(1), "boot");
  expect_same(parse_saved(text, "boot"), some(1));
  for (size_t i = 0; i < text.size(); ++i) {
    auto cut = text.substr(0, i);
    auto parsed = parse_saved(cut, "boot");
    if (parsed && !parsed->files.empty()) {
      EXPECT_EQ(parsed->files[0].sums.size(), 4U) << cut;
    }
  }
  EXPECT_FALSE(parse_saved("serin-recorder-1 boot 1\napi.1.0123456789abcdef 1 1 4 9:1\n", "boot"));
  EXPECT_FALSE(parse_saved("serin-recorder-1 boot 1\n../x 1 1 4\n", "boot"));
  EXPECT_FALSE(
      parse_saved("serin-recorder-1 boot 1\napi.1.0123456789abcdef 1 1 99999999\n", "boot"));
}

}  // namespace
}  // namespace serin::agent
