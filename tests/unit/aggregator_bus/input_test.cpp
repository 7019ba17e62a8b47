#include "aggregator/bus/input.h"

#include <gtest/gtest.h>

#include "schema/wire.h"

namespace serin::aggregator {
namespace {

Sample sample_of(const std::string& host, const std::string& service) {
  Sample sample;
  sample.from = {host, "boot", 7, 3};
  sample.service = service;
  return sample;
}

TEST(Input, AHostSpeaksForItselfOnly) {
  const auto bytes = wire::encode(sample_of("web-1.example", "api"));
  EXPECT_TRUE(read_input_body("serin.sample.api.web-1=2Eexample", bytes));
  EXPECT_FALSE(read_input_body("serin.sample.api.web-2", bytes));
  EXPECT_FALSE(read_input_body("serin.sample.web.web-1=2Eexample", bytes));
  EXPECT_FALSE(read_input_body("serin.event.api.web-1=2Eexample", bytes)) << "a sample is no event";
  EXPECT_FALSE(read_input_body("serin.control.api", bytes));
}

TEST(Input, TheHostsOwnHeartbeatIsASample) {
  EXPECT_TRUE(
      read_input_body("serin.sample._host.web-1", wire::encode(sample_of("web-1", "_host"))));
}

TEST(Input, AControlStandsUnderItsOwnSubject) {
  const auto clock = wire::encode(Control{.kind = ControlKind::clock});
  EXPECT_TRUE(read_input_body("serin.control._clock", clock));
  EXPECT_FALSE(read_input_body("serin.control.api", clock));
  Control act{.kind = ControlKind::act, .id = "a1", .service = "api"};
  act.deploy = "api-1";
  act.actor = "somebody";
  EXPECT_EQ(subject_of(act), "serin.control.api");
  const auto read = read_input_body("serin.control.api", wire::encode(act));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(std::get<Control>(*read), act);
  EXPECT_EQ(subject_of(Control{.kind = ControlKind::policy}), "serin.control._policy");
}

TEST(Input, GarbageIsAnErrorOfWords) {
  const auto read = read_input_body("serin.sample.api.web-1", as_bytes("garbage"));
  ASSERT_FALSE(read);
  EXPECT_FALSE(read.error().message.empty());
  EXPECT_FALSE(read_input_body("serin.sample.api.web-1", {}));
}

}  // namespace
}  // namespace serin::aggregator
