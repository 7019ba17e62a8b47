#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/recorder/head.h"
#include "tests/unit/recorder/raw_file.h"

namespace serin::agent {
namespace {

using testing::HasSubstr;

std::string error_of(const RawFile& raw) {
  auto head = parse_recorder_head(raw.head_bytes());
  return head ? "" : head.error().message;
}

TEST(RecorderHead, TellsWhoWroteItAndHowItLies) {
  RawFile raw(42, 4711);
  auto head = parse_recorder_head(raw.head_bytes());
  ASSERT_TRUE(head && *head);
  EXPECT_EQ((*head)->pid, 42);
  EXPECT_EQ((*head)->start_ticks, 4711U);
  EXPECT_EQ((*head)->boot_id, "boot");
  EXPECT_EQ((*head)->service, "api");
  EXPECT_EQ((*head)->file_bytes(), raw.text().size());
}

TEST(RecorderHead, OfZerosIsNotWrittenYet) {
  std::vector<std::byte> zeros(SERIN_RECORDER_HEADER_BYTES);
  EXPECT_EQ(parse_recorder_head(zeros).value(), std::nullopt);
  EXPECT_EQ(parse_recorder_head({}).value(), std::nullopt);
}

TEST(RecorderHead, OfAnotherVersionSaysWhichOneIsUnderstood) {
  RawFile raw(42);
  raw.header.version = 2;
  raw.header.shards = 1'000'000;  // another version may mean anything by the rest
  EXPECT_THAT(error_of(raw), HasSubstr("version 2"));
  EXPECT_THAT(error_of(raw), HasSubstr("reads version 1"));
}

TEST(RecorderHead, OfGarbageIsRefused) {
  RawFile raw(42);
  raw.header.magic[0] = 'X';
  EXPECT_THAT(error_of(raw), HasSubstr("no recorder file"));
  RawFile whole(42);
  auto bytes = whole.head_bytes();
  for (size_t size : {size_t{1}, size_t{7}, size_t{8}, size_t{100}, bytes.size() - 1})
    EXPECT_FALSE(parse_recorder_head(bytes.first(size))) << size;
}

TEST(RecorderHead, WithFiguresBeyondTheirBoundsIsRefused) {
  auto changed = [](auto change) {
    RawFile raw(42);
    change(raw.header);
    return error_of(raw);
  };
  EXPECT_THAT(changed([](auto& h) { h.shards = 0; }), HasSubstr("too many"));
  EXPECT_THAT(changed([](auto& h) { h.shards = 17; }), HasSubstr("too many"));
  EXPECT_THAT(changed([](auto& h) { h.classes = 0; }), HasSubstr("too many"));
  EXPECT_THAT(changed([](auto& h) { h.classes = UINT32_MAX; }), HasSubstr("too many"));
  EXPECT_THAT(changed([](auto& h) { h.counters = 17; }), HasSubstr("too many"));
  EXPECT_THAT(changed([](auto& h) { h.shard_cells = 0; }), HasSubstr("are needed"));
  EXPECT_THAT(changed([](auto& h) { h.shard_cells = UINT64_MAX; }), HasSubstr("are needed"));
  EXPECT_THAT(changed([](auto& h) { h.scale = 4; }), HasSubstr("buckets"));
  EXPECT_THAT(changed([](auto& h) { h.first_bucket = 0; }), HasSubstr("buckets"));
  EXPECT_THAT(changed([](auto& h) { h.columns = 9; }), HasSubstr("buckets"));
  EXPECT_THAT(changed([](auto& h) { h.service[0] = '/'; }), HasSubstr("service"));
  EXPECT_THAT(changed([](auto& h) { std::memset(h.service, 'a', sizeof h.service); }),
              HasSubstr("service"));
  EXPECT_THAT(changed([](auto& h) { std::memset(h.boot_id, 'a', sizeof h.boot_id); }),
              HasSubstr("boot"));
  EXPECT_THAT(changed([](auto& h) { std::strcpy(h.class_names[0], "a b"); }), HasSubstr("class 0"));
  EXPECT_THAT(changed([](auto& h) { h.counters = 1; }), HasSubstr("counter 0"));
}

TEST(RecorderName, HoldsServiceProcessAndSixteenDigits) {
  auto name = parse_recorder_name("my-api.4711.0123456789abcdef");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->service, "my-api");
  EXPECT_EQ(name->pid, 4711);
  for (auto wrong :
       {"", "api", "api.4711", "api.4711.", "api.4711.0123456789abcde", "api.4711.0123456789abcdeg",
        "api..0123456789abcdef", "api.-1.0123456789abcdef", "api.0.0123456789abcdef",
        "api.99999999999.0123456789abcdef", "Api.1.0123456789abcdef", ".1.0123456789abcdef",
        "api.1 .0123456789abcdef"})
    EXPECT_FALSE(parse_recorder_name(wrong)) << wrong;
}

}  // namespace
}  // namespace serin::agent
