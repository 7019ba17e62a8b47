#include "tests/wire/schema/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "common/ids.h"

// What an earlier release wrote must mean the same for ever.

namespace serin::test {
namespace {

std::ifstream golden_file(const std::string& name) {
  const char* source = std::getenv("SERIN_SOURCE");
  std::ifstream in(std::string(source == nullptr ? "." : source) + "/tests/wire/golden/1/" + name);
  EXPECT_TRUE(in) << name << " is not there";
  return in;
}

TEST(Golden, EveryBufferOfTheFirstReleaseMeansWhatItMeant) {
  golden::each_message([](const std::string& name, const auto& message, auto decode) {
    auto in = golden_file(name + ".hex");
    std::string digits;
    for (std::string line; std::getline(in, line);) digits += line;
    const auto buffer = from_hex(digits);
    ASSERT_TRUE(buffer) << name << ": " << buffer.error().message;
    const auto read = decode(*buffer);
    ASSERT_TRUE(read) << name << ": " << read.error().message;
    EXPECT_TRUE(*read == message) << name;
  });
}

TEST(Golden, ACaptureOfTheFirstReleaseMeansWhatItMeant) {
  auto in = golden_file("capture.ndjson");
  for (const capture::Line& line : golden::capture_lines()) {
    std::string text;
    ASSERT_TRUE(std::getline(in, text));
    const auto read = capture::parse(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, line) << text;
  }
}

}  // namespace
}  // namespace serin::test
