#include "agent/service/unit_properties.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <memory>

namespace serin::agent {
namespace {

/// A message as systemd answers, made on a bus that leads nowhere.
class UnitPropertiesTest : public testing::Test {
 protected:
  UnitPropertiesTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    other_ = ends[1];
    EXPECT_GE(sd_bus_new(&bus_), 0);
    EXPECT_GE(sd_bus_set_fd(bus_, ends[0], ends[0]), 0);
    EXPECT_GE(sd_bus_start(bus_), 0);
    EXPECT_GE(sd_bus_message_new_signal(bus_, &message_, "/a", "a.b", "C"), 0);
    EXPECT_GE(sd_bus_message_open_container(message_, 'a', "{sv}"), 0);
  }
  ~UnitPropertiesTest() override {
    sd_bus_message_unref(message_);
    sd_bus_close_unref(bus_);
    ::close(other_);
  }
  bool read(UnitWord& word) {
    EXPECT_GE(sd_bus_message_close_container(message_), 0);
    EXPECT_GE(sd_bus_message_seal(message_, 1, 0), 0);
    return read_properties(message_, word);
  }

  sd_bus* bus_ = nullptr;
  sd_bus_message* message_ = nullptr;
  int other_ = -1;
};

TEST_F(UnitPropertiesTest, TextsThatAreWantedAreKeptAndAllElseIsPassedOver) {
  sd_bus_message_append(message_, "{sv}", "Description", "s", "The api, 1.2");
  sd_bus_message_append(message_, "{sv}", "Documentation", "as", 1, "man:api(8)");
  sd_bus_message_append(message_, "{sv}", "Environment", "as", 2, "A=1", "VERSION=1.2");
  sd_bus_message_append(message_, "{sv}", "TimeoutStartUSec", "t", uint64_t{90});
  sd_bus_message_append(message_, "{sv}", "MainPID", "u", 42U);
  UnitWord word;
  for (const auto* name : {"Environment", "Description", "TimeoutStartUSec", "Nothing"})
    word.texts.push_back({.property = name});
  ASSERT_TRUE(read(word));
  EXPECT_EQ(word.texts[0].values, (std::vector<std::string>{"A=1", "VERSION=1.2"}));
  EXPECT_EQ(word.texts[1].values, std::vector<std::string>{"The api, 1.2"});
  EXPECT_FALSE(word.texts[2].values);  // no text
  EXPECT_FALSE(word.texts[3].values);
  EXPECT_EQ(word.main_pid, 42);
}

TEST_F(UnitPropertiesTest, AnEmptyListIsThereAndEmpty) {
  sd_bus_message_append(message_, "{sv}", "Environment", "as", 0);
  UnitWord word;
  word.texts.push_back({.property = "Environment"});
  ASSERT_TRUE(read(word));
  ASSERT_TRUE(word.texts[0].values);
  EXPECT_TRUE(word.texts[0].values->empty());
}

}  // namespace
}  // namespace serin::agent
