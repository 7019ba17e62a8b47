#include "agent/rollback/loadable.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/rollback/conditions.h"
#include "agent/rollback/room.h"
#include "tests/support/rollback/host.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

/// What check_loadable says of a file; "" when it could be executed.
std::string fault_of(const fs::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  const auto sound = check_loadable(fd.get());
  return sound ? "" : sound.error().message;
}

class LoadableTest : public testing::Test {
 protected:
  /// What the preflight says of going back from v2 to v1, by a unit that executes `exec_start`.
  std::string refusal(const std::string& exec_start = {}) {
    const auto systemctl = host.root() / "systemctl";
    write_text(systemctl,
               "#!/bin/sh\ncase \"$*\" in\n*LoadState*) echo LoadState=loaded ;;\n"
               "*ExecStart*) echo 'ExecStart={ path=" +
                   exec_start + " ; argv[]=" + exec_start +
                   " --port 80 ; ignore_errors=no }'; echo WorkingDirectory=" + link("work") +
                   " ;;\n*) exit 9 ;;\nesac\n",
               0755);
    host.settings.systemctl = systemctl;
    auto text = host.by_symlink();
    const auto at = text.find("restart = ");
    text.replace(at, text.find('\n', at) - at, "restart = \"api.service\"");
    host.describe(text);
    const auto service = check_address(host.command(), host.settings);
    if (!service) return service.error().text;
    const auto possible =
        check_entry(service->rollback.front(), *service, host.command(), host.settings, host.clock);
    return possible ? ""
                    : std::string(name(possible.error().refusal)) + ": " + possible.error().text;
  }
  [[nodiscard]] std::string link(const std::string& below) const {
    return (host.root() / "current" / below).native();
  }
  [[nodiscard]] fs::path target(const std::string& below) const {
    return host.root() / "releases/v1" / below;
  }

  TestHost host;
};

TEST_F(LoadableTest, AnExecutableOfThisMachineAndAScriptAreLoadable) {
  EXPECT_EQ(fault_of("/bin/true"), "");
  write_text(host.root() / "script", "#! /bin/sh -e\nexit 0\n", 0755);
  EXPECT_EQ(fault_of(host.root() / "script"), "");
  write_text(host.root() / "jar", "PK\003\004", 0755);
  EXPECT_EQ(fault_of(host.root() / "jar"), "") << "the kernel may know how to run it";
}

TEST_F(LoadableTest, WhatWasCopiedHalfOrForAnotherMachineIsNot) {
  const auto file = host.root() / "program";
  const auto whole = read_text("/bin/true");
  write_text(file, "", 0755);
  EXPECT_EQ(fault_of(file), "is empty");
  write_text(file, whole.substr(0, whole.size() / 3), 0755);
  EXPECT_EQ(fault_of(file), "is cut off");
  write_text(file, whole.substr(0, 20), 0755);
  EXPECT_EQ(fault_of(file), "is cut off");
  auto foreign = whole;
  foreign[offsetof(Elf64_Ehdr, e_machine)] = static_cast<char>(EM_S390);
  write_text(file, foreign, 0755);
  EXPECT_EQ(fault_of(file), "is for another machine");
  write_text(file, whole, 0644);
  EXPECT_EQ(fault_of(file), "is not executable: chmod +x it");
  write_text(file, "#!/usr/bin/no-such-interpreter\n", 0755);
  EXPECT_NE(fault_of(file).find("/usr/bin/no-such-interpreter: No such file"), std::string::npos);
  write_text(file, "#!\n", 0755);
  EXPECT_EQ(fault_of(file), "names no interpreter in its first line");
  EXPECT_EQ(fault_of(host.root()), "is no regular file");
}

TEST_F(LoadableTest, AnEmptyReleaseIsNoTarget) {
  host.select("v2");
  EXPECT_EQ(refusal(), "");
  fs::remove_all(target("app"));
  EXPECT_EQ(refusal(), "target: release v1 is empty");
  write_text(target(kIrreversibleMarker), "");
  EXPECT_EQ(refusal(), "target: release v1 is empty") << "a marker alone is no release";
}

TEST_F(LoadableTest, TheTargetHasWhatTheUnitExecutes) {
  host.select("v2");
  EXPECT_EQ(refusal(link("app")), "");
  fs::rename(target("app"), target("app.bak"));
  EXPECT_NE(refusal(link("app")).find("target: app: No such file"), std::string::npos)
      << refusal(link("app"));
  write_text(target("app"), "", 0755);
  EXPECT_EQ(refusal(link("app")), "target: release v1: app is empty");
  EXPECT_EQ(refusal(link("never-there")), "") << "the condemned release has it as little";
}

TEST_F(LoadableTest, TheTargetHasTheFolderThatTheUnitWorksIn) {
  host.select("v2");
  fs::create_directory(host.root() / "releases/v2/work");
  EXPECT_NE(refusal("/usr/bin/python3").find("target: work: No such file"), std::string::npos)
      << refusal("/usr/bin/python3");
  fs::create_directory(target("work"));
  EXPECT_EQ(refusal("/usr/bin/python3"), "");
}

TEST_F(LoadableTest, WhatTheLinkPointsToBelowTheReleaseIsInTheTargetToo) {
  for (const char* release : {"v1", "v2"})
    fs::create_directory(host.root() / "releases" / release / "bin");
  fs::create_symlink("releases/v2/bin", host.root() / "current");
  EXPECT_EQ(refusal(), "");
  fs::remove(target("bin"));
  EXPECT_NE(refusal().find("target: bin: No such file"), std::string::npos) << refusal();
}

TEST_F(LoadableTest, ADiskWithoutRoomIsToldWithBothFigures) {
  EXPECT_TRUE(check_room(host.root(), 1));
  const auto full = check_room(host.root(), uint64_t{1} << 60);
  ASSERT_FALSE(full);
  EXPECT_NE(full.error().message.find("KiB and 1125899906842624 KiB are needed: free some"),
            std::string::npos)
      << full.error().message;
  EXPECT_FALSE(check_room("/no/such/folder", 1));
}

}  // namespace
}  // namespace serin::helper
