#include "agent/rollback/helper.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "schema/wire.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

class HelperTest : public testing::Test {
 protected:
  void SetUp() override { host.start("v2"); }

  /// The command is refused, and nothing at all has begun.
  void expect_refused(const HelperReply& reply, Refusal refusal, std::string_view why) {
    EXPECT_EQ(reply.answer, HelperAnswer::refused);
    EXPECT_EQ(name(reply.refusal), name(refusal)) << reply.text;
    EXPECT_NE(reply.text.find(why), std::string::npos) << reply.text;
    EXPECT_TRUE(host.launcher.launched.empty());
    EXPECT_FALSE(fs::exists(host.settings.state / "pending" / "api"));
    EXPECT_EQ(host.selected(), "v2");
  }

  HelperReply send(const SignedCommand& envelope) {
    return host.ask(
        {.verb = HelperVerb::execute, .service = {}, .command = wire::encode(envelope)});
  }

  SignedCommand envelope_of(const Command& command) {
    return *wire::decode_signed(host.sign(command));
  }

  HelperReply send_packet(const Bytes& packet, size_t sent) {
    StepObserver observer;
    Helper helper(host.settings, host.clock, host.launcher, observer);
    EXPECT_TRUE(helper.start().has_value());
    return helper.answer(packet, sent);
  }

  TestHost host;
};

TEST_F(HelperTest, AWrongSignatureIsRefused) {
  auto envelope = envelope_of(host.command());
  envelope.signature[10] ^= 1;
  expect_refused(send(envelope), Refusal::signature, "does not fit");
}

TEST_F(HelperTest, AChangedCommandIsRefused) {
  auto envelope = envelope_of(host.command());
  auto other = host.command();
  other.target = "v0";
  envelope.payload = wire::encode(other);
  expect_refused(send(envelope), Refusal::signature, "does not fit");
}

TEST_F(HelperTest, APayloadIsNotLookedAtBeforeItsSignatureHolds) {
  auto envelope = envelope_of(host.command());
  envelope.payload = {1, 2, 3};
  expect_refused(send(envelope), Refusal::signature, "does not fit");
}

TEST_F(HelperTest, AWellSignedHeapOfGarbageIsABadRequest) {
  auto envelope = envelope_of(host.command());
  envelope.payload.resize(100, 0x5a);
  const auto signature = host.key.sign_command(envelope.payload);
  envelope.signature.assign(signature.begin(), signature.end());
  envelope.payload[4] ^= 0;
  const auto reply = send(envelope);
  EXPECT_EQ(reply.answer, HelperAnswer::refused);
  EXPECT_EQ(reply.refusal, Refusal::bad_request) << reply.text;
}

TEST_F(HelperTest, AnUnknownKeyIsRefused) {
  const auto stranger = SigningKey::generate();
  auto envelope = envelope_of(host.command());
  const auto signature = stranger->sign_command(envelope.payload);
  envelope.key_id = stranger->key_id();
  envelope.signature.assign(signature.begin(), signature.end());
  expect_refused(send(envelope), Refusal::key, "does not trust");
}

TEST_F(HelperTest, ARevokedKeyIsRefused) {
  write_text(host.settings.keys / "revoked", host.key.key_id() + "\n");
  expect_refused(host.execute(host.command()), Refusal::key, "or no longer");
}

TEST_F(HelperTest, AKeyThatOthersMayWriteIsNotTrusted) {
  ::chmod((host.settings.keys / "fleet.pub").c_str(), 0664);
  expect_refused(host.execute(host.command()), Refusal::key, "chmod go-w");
}

TEST_F(HelperTest, AnotherHostsCommandIsRefused) {
  auto command = host.command();
  command.host = "web-08";
  expect_refused(host.execute(command), Refusal::host, "this is web-07");
}

TEST_F(HelperTest, ACommandPastItsDeadlineIsRefused) {
  auto command = host.command();
  command.not_after_us = host.clock.wall_us() - 5 * kSecondUs;
  expect_refused(host.execute(command), Refusal::expired, "deadline passed 5 s ago");
}

TEST_F(HelperTest, AVersionThatDoesNotRunIsNotRolledBack) {
  expect_refused(host.execute(host.command("v3")), Refusal::not_running, "v2 runs, not v3");
}

TEST_F(HelperTest, WhereNothingRunsTheSelectedVersionCounts) {
  host.stop();
  expect_refused(host.execute(host.command("v3")), Refusal::not_running, "v2 is selected");
  const auto reply = host.execute(host.command("v2"));
  EXPECT_EQ(reply.answer, HelperAnswer::accepted) << reply.text;
}

TEST_F(HelperTest, AReleaseThatSomebodySelectedMeanwhileIsNotFoughtOver) {
  host.add_release("v3");
  host.select("v3");
  const auto reply = host.execute(host.command());
  EXPECT_EQ(reply.refusal, Refusal::ambiguous) << reply.text;
  EXPECT_TRUE(host.launcher.launched.empty());
}

TEST_F(HelperTest, ATargetThatIsNotThereIsRefused) {
  expect_refused(host.execute(host.command("v2", "v9")), Refusal::target, "v9");
}

TEST_F(HelperTest, TargetsThatAreNoReleaseNamesAreRefused) {
  for (const char* target : {"../v1", "/etc", "v1/../v2", ".hidden", "..", ".", "v1/", "a/b"}) {
    SCOPED_TRACE(target);
    expect_refused(host.execute(host.command("v2", target)), Refusal::target, "not the name");
  }
  for (const char* target : {"v1\n", "v1\x01", "\xff"}) {
    expect_refused(host.execute(host.command("v2", target)), Refusal::bad_request, "target");
  }
  expect_refused(host.execute(host.command("v2", "v1 ; reboot")), Refusal::target, "v1 ; reboot");
}

TEST_F(HelperTest, ASymlinkInTheReleasesFolderIsNoRelease) {
  fs::create_symlink("/etc", host.root() / "releases" / "evil");
  fs::create_symlink("v1", host.root() / "releases" / "v1-alias");
  expect_refused(host.execute(host.command("v2", "evil")), Refusal::target, "symlink");
  expect_refused(host.execute(host.command("v2", "v1-alias")), Refusal::target, "symlink");
  write_text(host.root() / "releases" / "file", "");
  expect_refused(host.execute(host.command("v2", "file")), Refusal::target, "file");
}

TEST_F(HelperTest, TheCondemnedVersionIsNoTarget) {
  expect_refused(host.execute(host.command("v2", "v2")), Refusal::target, "condemned");
}

TEST_F(HelperTest, AServiceFileThatOthersMayWriteIsIgnored) {
  const auto file = host.settings.services / "api.toml";
  ::chmod(file.c_str(), 0664);
  expect_refused(host.execute(host.command()), Refusal::not_owned, "its group");
  ::chmod(file.c_str(), 0646);
  expect_refused(host.execute(host.command()), Refusal::not_owned, "others");
  ::chmod(file.c_str(), 0644);
  ::chmod(host.settings.services.c_str(), 0777);
  expect_refused(host.execute(host.command()), Refusal::not_owned, "services.d");
}

TEST_F(HelperTest, AServiceFileOfAnotherOwnerIsIgnored) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(::chown((host.settings.services / "api.toml").c_str(), 65534, 65534), 0);
  expect_refused(host.execute(host.command()), Refusal::not_owned, "belongs to uid 65534");
}

TEST_F(HelperTest, AnUnknownServiceIsRefused) {
  auto command = host.command();
  command.service = "billing";
  expect_refused(host.execute(command), Refusal::service, "billing.toml");
  expect_refused(host.ask({.verb = HelperVerb::execute,
                           .service = "billing",
                           .command = host.sign(host.command())}),
                 Refusal::service, "different services");
}

TEST_F(HelperTest, AServiceFileThatDoesNotParseIsNamedWithItsLine) {
  write_text(host.settings.services / "api.toml", "pid_fil = \"/x\"\n");
  expect_refused(host.execute(host.command()), Refusal::service, "pid_fil");
}

TEST_F(HelperTest, AServiceWithoutActionsIsNotActedUpon) {
  host.describe("");
  expect_refused(host.execute(host.command()), Refusal::action, "[[rollback]]");
}

TEST_F(HelperTest, ARestartProgramThatOthersMayWriteIsNotRunByRoot) {
  ::chmod(host.restart_script().c_str(), 0777);
  expect_refused(host.execute(host.command()), Refusal::action, "restart.sh");
}

TEST_F(HelperTest, ALinkThatLeavesTheReleasesFolderIsNotSwitched) {
  fs::remove(host.root() / "current");
  fs::create_symlink("/usr/lib", host.root() / "current");
  const auto reply = host.execute(host.command());
  EXPECT_EQ(reply.refusal, Refusal::action) << reply.text;
  EXPECT_EQ(fs::read_symlink(host.root() / "current"), "/usr/lib");
}

TEST_F(HelperTest, AHoldStopsEveryActionAndSaysWhy) {
  write_text(host.settings.hold / "hold", "migration until noon\nsecond line\n");
  expect_refused(host.execute(host.command()), Refusal::held, "migration until noon");
  fs::remove(host.settings.hold / "hold");
  fs::create_directory(host.settings.hold / "hold.d");
  write_text(host.settings.hold / "hold.d" / "api", "");
  expect_refused(host.execute(host.command()), Refusal::held, "hold.d/api");
  fs::rename(host.settings.hold / "hold.d" / "api", host.settings.hold / "hold.d" / "billing");
  EXPECT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
}

TEST_F(HelperTest, AnIrreversibleReleaseStaysUnlessForced) {
  write_text(host.root() / "releases" / "v2" / ".serin-irreversible", "");
  expect_refused(host.execute(host.command()), Refusal::irreversible, "cannot be undone");
  auto forced = host.command();
  forced.force = true;
  EXPECT_EQ(host.execute(forced).answer, HelperAnswer::accepted);
}

TEST_F(HelperTest, OneCommandOfAServiceAtATime) {
  const auto first = host.command();
  ASSERT_EQ(host.execute(first).answer, HelperAnswer::accepted);
  const auto second = host.execute(host.command("v2", "v1", 1));
  EXPECT_EQ(second.refusal, Refusal::busy);
  EXPECT_NE(second.text.find(first.id), std::string::npos) << second.text;
  const auto same = host.execute(first);
  EXPECT_EQ(same.answer, HelperAnswer::in_progress);
  EXPECT_EQ(TestHost::steps(same), "accepted");
}

TEST_F(HelperTest, PacketsThatAreNoRequestsAreRefused) {
  Bytes long_one(17 * 1024, 0);
  long_one.resize(wire::kMaxCommandBytes);
  expect_refused(send_packet(long_one, 17 * 1024), Refusal::bad_request, "longer than 16 KiB");
  expect_refused(send_packet(Bytes(200, 0x41), 200), Refusal::unsupported, "knows");
  Bytes torn = host.execute_request(host.command());
  torn.resize(torn.size() / 2);
  expect_refused(send_packet(torn, torn.size()), Refusal::bad_request, "malformed");
  expect_refused(send_packet(Bytes{}, 0), Refusal::bad_request, "malformed");
  for (const char* service : {"", "../x", "A", "_own"}) {
    const auto packet =
        wire::encode(HelperRequest{.verb = HelperVerb::status, .service = service, .command = {}});
    expect_refused(send_packet(packet, packet.size()), Refusal::bad_request, "service name");
  }
  const auto empty =
      wire::encode(HelperRequest{.verb = HelperVerb::execute, .service = "api", .command = {}});
  expect_refused(send_packet(empty, empty.size()), Refusal::bad_request, "goes with execute");
}

TEST_F(HelperTest, ADamagedJournalStopsTheServiceUntilSomebodyLooks) {
  ASSERT_EQ(host.status().answer, HelperAnswer::ok);
  write_text(host.settings.state / "pending" / "api", "rubbish");
  const auto reply = host.execute(host.command());
  EXPECT_EQ(reply.refusal, Refusal::busy);
  EXPECT_NE(reply.text.find("damaged"), std::string::npos) << reply.text;
  EXPECT_TRUE(host.launcher.launched.empty());
  EXPECT_EQ(host.status().answer, HelperAnswer::failed);
}

TEST_F(HelperTest, InspectTellsWhatRunsAndWhatIsSelected) {
  const HelperRequest question{.verb = HelperVerb::inspect, .service = "api", .command = {}};
  auto seen = host.ask(question);
  EXPECT_EQ(seen.answer, HelperAnswer::ok) << seen.text;
  EXPECT_EQ(seen.version, "v2");
  EXPECT_EQ(seen.selected, "v2");
  EXPECT_EQ(seen.artefact.find(':'), std::string::npos) << "a build-id: " << seen.artefact;
  host.select("v1");
  seen = host.ask(question);
  EXPECT_EQ(seen.version, "v2") << "fixed when the process started";
  EXPECT_EQ(seen.selected, "v1");
  host.stop();
  seen = host.ask(question);
  EXPECT_EQ(seen.version, "");
  EXPECT_EQ(seen.text, "nothing runs");
}

TEST_F(HelperTest, AnInterruptedActionIsStartedAgainAtStartButNotWhileItIsHeld) {
  ASSERT_EQ(host.execute(host.command()).answer, HelperAnswer::accepted);
  host.launcher.launched.clear();
  StepObserver observer;
  Helper helper(host.settings, host.clock, host.launcher, observer);
  {
    const auto held =
        Journal::take(JournalFolder(host.settings.state), "api", host.clock, observer);
    ASSERT_TRUE(held && *held);
    ASSERT_TRUE(helper.start().has_value());
    EXPECT_TRUE(host.launcher.launched.empty()) << "an action is at work";
  }
  ASSERT_TRUE(helper.start().has_value());
  EXPECT_EQ(host.launcher.launched.size(), 1U);
  ASSERT_TRUE(helper.start().has_value());
  EXPECT_EQ(host.launcher.launched.size(), 1U) << "not again within seconds";
}

}  // namespace
}  // namespace serin::helper
