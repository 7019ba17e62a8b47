#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "schema/json_reader.h"
#include "schema/json_writer.h"
#include "schema/text.h"
#include "tests/wire/generate.h"

namespace serin::test {
namespace {

bool accepts(std::string_view text) {
  JsonReader reader(text);
  reader.skip();
  reader.end();
  return reader.ok();
}

TEST(JsonReader, AcceptsWhatTheStandardDoesAndNothingElse) {
  for (const char* text :
       {"0", "-0", "-1.5e+3", "1E9", "[]", "{}", "[1,[2,{\"a\":null}]]", "\"\"", "\"\\u00e9\\n\"",
        " true ", "\"\\ud83d\\ude00\"", "18446744073709551616"}) {
    EXPECT_TRUE(accepts(text)) << text;
  }
  for (const char* text : {"",
                           " ",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "-",
                           "0x1",
                           "NaN",
                           "1e999",
                           "[1,]",
                           "[1 2]",
                           "{,}",
                           "{\"a\"}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "'a'",
                           "\"",
                           "\"\\",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\\ud83d\"",
                           "\"\\ude00\"",
                           "\"\\ud83d\\u0041\"",
                           "\"\n\"",
                           "tru",
                           "nul",
                           "nulll",
                           "1 2",
                           "[",
                           "{\"a\":",
                           "]"}) {
    EXPECT_FALSE(accepts(text)) << text;
  }
}

TEST(JsonReader, AgreesWithAnotherReaderOnGarbledTexts) {
  constexpr std::string_view kAlphabet = "{}[],:\"\\ntruefalsenull0123456789.eE+-u dD";
  Generator generator(31);
  int accepted = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text = R"({"a":[1,-2.5e3,"x\u00e9\\",true,null],"b":{"c":0.1},"d":"\ud83d\ude00"})";
    for (uint64_t changes = 1 + generator.below(2); changes > 0; --changes) {
      text[generator.below(text.size())] = kAlphabet[generator.below(kAlphabet.size())];
    }
    accepted += accepts(text) ? 1 : 0;
    ASSERT_EQ(accepts(text), nlohmann::json::accept(text)) << text;
  }
  EXPECT_GT(accepted, 1000);
}

TEST(JsonReader, ReadsEveryNumberAsItIs) {
  Generator generator(32);
  for (int i = 0; i < 20'000; ++i) {
    const double value = generator.number();
    JsonWriter writer;
    const std::string text = writer.number(value).take();
    JsonReader reader(text);
    ASSERT_EQ(reader.number(), value) << text;
    ASSERT_TRUE(reader.ok());
  }
  EXPECT_EQ(JsonReader("18446744073709551615").count(), UINT64_MAX);
  EXPECT_EQ(JsonReader("9007199254740993").count(), 9007199254740993U);
}

TEST(JsonReader, ReadsTimesToTheMicrosecond) {
  EXPECT_EQ(JsonReader("1700000000.000001").microseconds(), 1'700'000'000'000'001);
  EXPECT_EQ(JsonReader("-0.5").microseconds(), -500'000);
  EXPECT_EQ(JsonReader("3").microseconds(), 3'000'000);
  EXPECT_EQ(JsonReader("1.5e3").microseconds(), 1'500'000'000);
  EXPECT_EQ(JsonReader("0.12345678").microseconds(), 123'457);
  JsonReader huge("123456789012345678");
  huge.microseconds();
  EXPECT_FALSE(huge.ok());
}

TEST(JsonWriter, WritesWhatAnotherReaderReads) {
  Generator generator(33);
  for (int i = 0; i < 2000; ++i) {
    const std::string text =
        generator.text() + std::string(1, static_cast<char>(generator.below(32)));
    JsonWriter writer;
    const std::string json =
        writer.open().key(text).open('[').text(text).number(1e300).close(']').close().take();
    const auto read = nlohmann::json::parse(json, nullptr, false);
    ASSERT_FALSE(read.is_discarded()) << json;
    ASSERT_EQ(read.at(text).at(0), text);
    JsonReader reader(json);
    reader.members([&](std::string_view key) {
      EXPECT_EQ(key, text);
      reader.elements([&] {
        if (reader.peek() == '"') {
          EXPECT_EQ(reader.string(), text);
        } else {
          EXPECT_EQ(reader.number(), 1e300);
        }
      });
    });
    ASSERT_TRUE(reader.ok()) << reader.error();
  }
}

TEST(JsonWriter, WritesSecondsWithTheDecimalsThereAre) {
  const auto seconds = [](int64_t micros) { return JsonWriter().seconds(micros).take(); };
  EXPECT_EQ(seconds(0), "0");
  EXPECT_EQ(seconds(1), "0.000001");
  EXPECT_EQ(seconds(-1'500'000), "-1.5");
  EXPECT_EQ(seconds(10'000'000), "10");
  EXPECT_EQ(JsonWriter()
                .open('[')
                .number(std::numeric_limits<double>::infinity())
                .number(1)
                .close(']')
                .take(),
            "[null,1]");
}

TEST(Text, OnlyPlainUtf8IsPlain) {
  for (const char* plain : {"", "web-01", "é → 😀", "\xEF\xBF\xBF"})
    EXPECT_TRUE(is_plain_text(plain)) << plain;
  for (const char* other :
       {"\n", "\x1b[2J", "\x7f", "\xC2\x85", "\xff", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80",
        "\xF4\x90\x80\x80", "\xE2\x86", "\xF0\x9F\x98", "\x80"}) {
    EXPECT_FALSE(is_plain_text(other)) << other;
    EXPECT_TRUE(is_plain_text(plain_text(other, 100)));
  }
}

TEST(Text, IsCutBetweenCharacters) {
  EXPECT_EQ(plain_text("aé→😀", 100), "aé→😀");
  EXPECT_EQ(plain_text("aé→😀", 9), "aé→");
  EXPECT_EQ(plain_text("aé→😀", 2), "a");
  EXPECT_EQ(plain_text("a\nb\xff", 100), "a b?");
}

}  // namespace
}  // namespace serin::test
