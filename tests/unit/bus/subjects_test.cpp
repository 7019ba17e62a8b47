#include "common/bus/subjects.h"

#include <gtest/gtest.h>

namespace serin::bus {
namespace {

TEST(Subjects, AreAsPermissionsNameThem) {
  EXPECT_EQ(sample_subject("api", "web-1"), "serin.sample.api.web-1");
  EXPECT_EQ(sample_subject("_host", "web-1.example.org"),
            "serin.sample._host.web-1=2Eexample=2Eorg");
  EXPECT_EQ(event_subject("api", "web-1"), "serin.event.api.web-1");
  EXPECT_EQ(command_subject("web.1", "api"), "serin.command.web=2E1.api");
  EXPECT_EQ(commands_of_host("web-1"), "serin.command.web-1.*");
  EXPECT_EQ(attention_subject("api"), "serin.attention.api");
  EXPECT_EQ(direct_get_subject(kCommandStream, command_subject("web-1", "api")),
            "$JS.API.DIRECT.GET.SERIN_COMMANDS.serin.command.web-1.api");
  EXPECT_EQ(agent_inbox_prefix("web-1"), "_INBOX_web-1");
  EXPECT_EQ(audit_subject("api"), "serin.audit.api");
  EXPECT_EQ(audit_subject(""), "serin.audit._fleet");
}

TEST(Subjects, OfTheInputAreTakenApart) {
  const auto sample = parse_input_subject("serin.sample.api.web-1=2Eexample");
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->kind, InputKind::sample);
  EXPECT_EQ(sample->service, "api");
  EXPECT_EQ(sample->host, "web-1.example");
  const auto heartbeat = parse_input_subject("serin.sample._host.web-1");
  ASSERT_TRUE(heartbeat);
  EXPECT_EQ(heartbeat->service, "_host");
  const auto event = parse_input_subject("serin.event.api.web-1");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, InputKind::event);
  for (const char* subject : {kClockSubject, kPolicySubject, "serin.control.api"}) {
    const auto control = parse_input_subject(subject);
    ASSERT_TRUE(control) << subject;
    EXPECT_EQ(control->kind, InputKind::control);
    EXPECT_EQ(control->host, "");
  }
}

TEST(Subjects, StrangeOnesAreRefused) {
  for (const char* subject :
       {"", "serin", "serin.sample", "serin.sample.api", "serin.sample.api.web.1",
        "serin.sample._other.web-1", "serin.sample.API.web-1", "serin.sample.api.",
        "serin.sample.api.web=2", "serin.sample..web-1", "serin.control", "serin.control._other",
        "serin.control.api.more", "serin.command.web-1.api", "other.sample.api.web-1"}) {
    EXPECT_FALSE(parse_input_subject(subject)) << subject;
  }
}

}  // namespace
}  // namespace serin::bus
