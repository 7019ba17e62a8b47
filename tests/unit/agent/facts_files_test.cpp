#include "agent/facts/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/facts/host_facts.h"
#include "common/file.h"
#include "schema/fact.h"

namespace serin::agent {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

std::string file_of(const std::string& host, const std::string& path) {
  return read_file(std::filesystem::path(SERIN_SOURCE_DIR) / "tests/support/hosts" / host / path,
                   65536)
      .value();
}

TEST(Limits, AreReadAsSoftAndHard) {
  const auto limits = parse_limits(file_of("debian-12", "proc/7/limits"));
  EXPECT_THAT(limits, Contains(Pair("limits.nofile", "1024/524288")));
  EXPECT_THAT(limits, Contains(Pair("limits.stack", "8388608/unlimited")));
  EXPECT_THAT(limits, Contains(Pair("limits.core", "0/unlimited")));
  EXPECT_EQ(limits.size(), 9u);
}

TEST(Limits, OfAnotherShapeAreNone) {
  for (const char* text :
       {"", "Max open files", "Max open files  -1  2 files\n", "Max open files a b c\n",
        "Max open files 1\nMax stack size\n", "\n\n\xFF\n"})
    EXPECT_THAT(parse_limits(text), IsEmpty()) << text;
}

TEST(UnitLimits, AreReadInWordsOfTheUnitFile) {
  EXPECT_EQ(parse_cpu_max("150000 100000\n"), "1.50 CPUs");
  EXPECT_EQ(parse_cpu_max("max 100000\n"), "none");
  EXPECT_EQ(parse_most("536870912\n"), "536870912");
  EXPECT_EQ(parse_most("max\n"), "none");
  for (const char* text : {"", "100000", "1 0", "x 1", "-1 100000", "99999999999999999999999 1"})
    EXPECT_EQ(parse_cpu_max(text), "") << text;
  EXPECT_EQ(parse_most("many"), "");
}

TEST(UnifiedGroup, IsFoundAmongTheOthers) {
  EXPECT_EQ(parse_unified_group(file_of("rhel-9-arm64", "proc/7/cgroup")),
            "/system.slice/api.service");
  EXPECT_EQ(parse_unified_group("0::/\n"), "/");
  EXPECT_EQ(parse_unified_group("1:name=systemd:/a\n"), "");
  EXPECT_EQ(parse_unified_group("0::/../../etc\n"), "")
      << "of another namespace: not to be followed";
}

TEST(CpuModel, IsReadOnEveryMachine) {
  EXPECT_EQ(parse_cpu_model(file_of("debian-12", "proc/cpuinfo")),
            "AMD EPYC 7763 64-Core Processor");
  EXPECT_EQ(parse_cpu_model(file_of("rhel-9-arm64", "proc/cpuinfo")),
            "implementer 0x41 part 0xd0c variant 0x3");
  EXPECT_EQ(parse_cpu_model("processor : 0\ncpu\t\t: POWER9, altivec supported\n"),
            "POWER9, altivec supported");
  EXPECT_EQ(parse_cpu_model(""), "");
}

TEST(MemoryTotal, IsRoundedSoThatHostsOfOneSizeAreAlike) {
  EXPECT_EQ(parse_memory_total(file_of("debian-12", "proc/meminfo")), "15.6 GiB");
  EXPECT_EQ(parse_memory_total("MemTotal:       16379860 kB\n"), "15.6 GiB");
  EXPECT_EQ(parse_memory_total("MemTotal: lots\n"), "");
}

TEST(Chosen, IsTheWordInBrackets) {
  EXPECT_EQ(parse_chosen("always [madvise] never\n"), "madvise");
  for (const char* text : {"", "always", "[open", "close]"})
    EXPECT_EQ(parse_chosen(text), "") << text;
}

TEST(OneLine, HoldsNoOtherBlanksThanSingleOnes) {
  EXPECT_EQ(in_one_line(" 32768\t 60999 \n"), "32768 60999");
  EXPECT_EQ(in_one_line("a\n\n b\n"), "a b");
  EXPECT_EQ(in_one_line("\n"), "");
}

TEST(DpkgStatus, IsHashedByWhatIsInstalled) {
  const std::string status = file_of("debian-12", "var/lib/dpkg/status");
  const std::string hash = hash_of_dpkg_status(status);
  EXPECT_EQ(hash.size(), 16u);
  std::string other = status;
  other.replace(other.find("Priority: optional"), 18, "Priority: extra   ");
  EXPECT_EQ(hash_of_dpkg_status(other), hash) << "the same packages";
  other = status;
  other.replace(other.find("7.88.1"), 6, "7.88.2");
  EXPECT_NE(hash_of_dpkg_status(other), hash);
  EXPECT_EQ(hash_of_dpkg_status("rubbish\n\n"), "");
}

TEST(RecentPackages, AreNamedOnceAndTheNewestFirst) {
  const std::string log = file_of("debian-12", "var/log/dpkg.log");
  EXPECT_EQ(recent_packages(log, "2026-11-20 00:00:00"),
            "libssl3 3.0.11-1~deb12u3, libc-bin 2.36-9+deb12u4, nano removed");
  EXPECT_EQ(recent_packages(log, "2026-11-20 10:00:06"),
            "libssl3 3.0.11-1~deb12u3, libc-bin 2.36-9+deb12u4");
  EXPECT_EQ(recent_packages(log, "2026-11-21 00:00:00"), "");
}

TEST(RecentPackages, OfAWholeUpgradeAreCutAndCounted) {
  std::string log;
  for (int i = 0; i < 900; ++i)
    log += "2026-11-20 10:00:00 status installed package" + std::to_string(i) + ":amd64 1.0\n";
  const auto text = recent_packages(log, "2026-11-20");
  EXPECT_LE(text.size(), fact::kValueBytes);
  EXPECT_THAT(text, AllOf(StartsWith("package899 1.0, "), testing::EndsWith(" more"))) << text;
}

// ---- whole hosts

class HostFactsTest : public testing::Test {
 protected:
  static FactPairs of(const std::string& host) {
    const auto root = std::filesystem::path(SERIN_SOURCE_DIR) / "tests/support/hosts" / host;
    HostFacts facts(
        {.proc = root / "proc", .sys = root / "sys", .etc = root / "etc", .var = root / "var"});
    const FactPairs* found = facts.look({.boot_us = 1, .wall_us = kWall}, false);
    return found == nullptr ? FactPairs{} : *found;
  }
  static constexpr int64_t kWall = 1'795'215'600'000'000;  // 2026-11-20 23:00 UTC
};

TEST_F(HostFactsTest, OfDebian) {
  const auto facts = of("debian-12");
  EXPECT_THAT(facts, Contains(Pair("kernel.release", "6.1.0-18-amd64")));
  EXPECT_THAT(facts, Contains(Pair("cpu.model", "AMD EPYC 7763 64-Core Processor")));
  EXPECT_THAT(facts, Contains(Pair("cpu.online", "0-1")));
  EXPECT_THAT(facts, Contains(Pair("memory.total", "15.6 GiB")));
  EXPECT_THAT(facts, Contains(Pair("boot.id", "0c7d1a52-6f5c-4a6e-9c62-3c5b0c6ad001")));
  EXPECT_THAT(facts, Contains(Pair("sysctl.net.core.somaxconn", "4096")));
  EXPECT_THAT(facts, Contains(Pair("sysctl.net.ipv4.ip_local_port_range", "32768 60999")));
  EXPECT_THAT(facts, Contains(Pair("sysctl.vm.max_map_count", "65530")));
  EXPECT_THAT(facts, Contains(Pair("kernel.transparent_hugepage", "madvise")));
  EXPECT_THAT(facts, Contains(Pair("package.recent", StartsWith("libssl3 3.0.11-1~deb12u3"))));
  EXPECT_THAT(facts, Contains(Pair("package.hash", testing::SizeIs(16))));
}

TEST_F(HostFactsTest, OfRedHat) {
  const auto facts = of("rhel-9-arm64");
  EXPECT_THAT(facts, Contains(Pair("kernel.release", "5.14.0-427.13.1.el9_4.aarch64")));
  EXPECT_THAT(facts, Contains(Pair("cpu.model", StartsWith("implementer"))));
  EXPECT_THAT(facts, Contains(Pair("package.changed_at", testing::EndsWith("Z"))));
  EXPECT_THAT(facts, Contains(Pair("package.hash", "15B")));
}

TEST_F(HostFactsTest, OfAHostThatTellsNothingSayWhy) {
  const auto facts = of("no-such-host");
  EXPECT_THAT(facts, Contains(Pair("kernel.release", StartsWith("absent: "))));
  EXPECT_THAT(facts, Contains(Pair("cpu.model", StartsWith("absent: "))));
  EXPECT_THAT(facts, Contains(Pair("package.hash", StartsWith("absent: "))));
}

TEST(HostFacts, OfThisMachineAreReadOnceAMinute) {
  HostFacts facts;
  constexpr uint64_t kStart = 9'000'000'000;
  ASSERT_NE(facts.look({.boot_us = kStart, .wall_us = 1}, false), nullptr);
  EXPECT_EQ(facts.look({.boot_us = kStart + 59'000'000, .wall_us = 1}, false), nullptr);
  EXPECT_EQ(facts.look({.boot_us = kStart + 1'000'000, .wall_us = 1}, true), nullptr);
  EXPECT_NE(facts.look({.boot_us = kStart + 3'000'000, .wall_us = 1}, true), nullptr)
      << "a version start";
  const auto* again = facts.look({.boot_us = kStart + 80'000'000, .wall_us = 1}, false);
  ASSERT_NE(again, nullptr);
  EXPECT_THAT(*again, Contains(Pair("kernel.release", testing::Not(StartsWith("absent")))));
}

}  // namespace
}  // namespace serin::agent
