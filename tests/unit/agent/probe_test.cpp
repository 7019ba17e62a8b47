#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/probe/proc_parse.h"
#include "agent/probe/process_probe.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

// Captured from a small service on Linux 6.18; the command's name holds what makes naive parsers
// fail.
constexpr std::string_view kStat =
    "4242 (api) S (x) S 1 4242 4242 0 -1 4194560 1523 0 7 0 310 95 0 0 20 0 21 0 987654 228212736 "
    "24871 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 65536 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
constexpr std::string_view kStatm = "55716 24871 2304 1200 0 31000 0\n";
constexpr std::string_view kStatus =
    "Name:\tapi) S (x\nState:\tS (sleeping)\nVmRSS:\t   99484 "
    "kB\nThreads:\t21\nvoluntary_ctxt_switches:\t1200\n"
    "nonvoluntary_ctxt_switches:\t34\n";
constexpr std::string_view kIo =
    "rchar: 900\nwchar: 800\nsyscr: 5\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: "
    "8192\ncancelled_write_bytes: 0\n";
constexpr std::string_view kLimits =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max cpu time              unlimited            unlimited            seconds   \n"
    "Max open files            1024                 524288               files     \n";

void write_process(const TempFolder& root, std::string_view stat = kStat) {
  auto folder = root / "4242";
  write_text(folder / "stat", stat);
  write_text(folder / "statm", kStatm);
  write_text(folder / "status", kStatus);
  write_text(folder / "io", kIo);
  write_text(folder / "limits", kLimits);
  for (auto name : {"0", "1", "2"}) write_text(folder / "fd" / name, "");
}

ProcessProbe::Options fixture(const TempFolder& root) {
  return {.root = root.path(), .cpu_clock = false, .count_fds_by_size = false};
}

TEST(ProcParse, StatIsReadBehindTheLastParenthesisOfTheName) {
  auto stat = parse_stat(kStat);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 1);
  EXPECT_EQ(stat->minor_faults, 1523U);
  EXPECT_EQ(stat->major_faults, 7U);
  EXPECT_EQ(stat->cpu_ticks, 405U);
  EXPECT_EQ(stat->threads, 21U);
  EXPECT_EQ(stat->start_ticks, 987654U);
}

TEST(ProcParse, ATornOrForeignFileReadsAsAbsent) {
  EXPECT_FALSE(parse_stat(""));
  EXPECT_FALSE(parse_stat("4242 (api"));
  EXPECT_FALSE(parse_stat(kStat.substr(0, 60)));
  EXPECT_FALSE(parse_stat("4242 (api) S one two three four"));
  EXPECT_FALSE(parse_statm_resident("55716"));
  EXPECT_FALSE(parse_statm_resident("55716 -3"));
  EXPECT_FALSE(parse_keyed(kIo, "bytes"));
  EXPECT_FALSE(parse_keyed("read_bytes: many\n", "read_bytes"));
  EXPECT_FALSE(parse_open_files_limit("Max open files            unlimited  unlimited files\n"));
  EXPECT_FALSE(parse_number("99999999999999999999999"));
}

TEST(ProcessProbe, ReadsEveryFileOfTheProcess) {
  TempFolder root;
  write_process(root);
  auto probe = ProcessProbe::open(4242, fixture(root));
  ASSERT_TRUE(probe) << probe.error().message;
  EXPECT_EQ(probe->start_ticks(), 987654U);
  auto reading = probe->read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->cpu_ns, 4'050'000'000U);
  EXPECT_EQ(reading->rss_bytes, 24871U * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(reading->threads, 21U);
  EXPECT_EQ(reading->fds, 3U);
  EXPECT_EQ(reading->fd_limit, 1024U);
  EXPECT_EQ(reading->voluntary_switches, 1200U);
  EXPECT_EQ(reading->involuntary_switches, 34U);
  EXPECT_EQ(reading->read_bytes, 4096U);
  EXPECT_EQ(reading->written_bytes, 8192U);
  EXPECT_TRUE(probe->absent().empty());
}

TEST(ProcessProbe, WhatCannotBeOpenedIsAbsentWithItsReason) {
  TempFolder root;
  write_process(root);
  std::filesystem::remove(root / "4242/io");
  std::filesystem::remove_all(root / "4242/fd");
  auto probe = ProcessProbe::open(4242, fixture(root));
  ASSERT_TRUE(probe);
  auto reading = probe->read();
  ASSERT_TRUE(reading);
  EXPECT_FALSE(reading->read_bytes);
  EXPECT_FALSE(reading->fds);
  EXPECT_TRUE(reading->rss_bytes);
  ASSERT_EQ(probe->absent().size(), 2U);
  EXPECT_EQ(probe->absent()[0].metric, "io_bytes");
  EXPECT_NE(probe->absent()[0].reason.find("/io: No such file"), std::string::npos);
  EXPECT_EQ(probe->absent()[1].metric, "fds");
}

TEST(ProcessProbe, ARecycledPidReadsAsEnded) {
  TempFolder root;
  write_process(root);
  auto probe = ProcessProbe::open(4242, fixture(root));
  ASSERT_TRUE(probe);
  std::string later(kStat);
  later.replace(later.find("987654"), 6, "987999");
  write_text(root / "4242/stat", later);
  EXPECT_FALSE(probe->read());
}

TEST(ProcessProbe, AZombieIsNotThere) {
  TempFolder root;
  std::string zombie(kStat);
  zombie.replace(zombie.rfind(") S ") + 2, 1, "Z");
  write_process(root, zombie);
  auto probe = ProcessProbe::open(4242, fixture(root));
  ASSERT_FALSE(probe);
  EXPECT_NE(probe.error().message.find("zombie"), std::string::npos);
}

TEST(ProcessProbe, AmountsAreDifferencesAndNeverGoBackwards) {
  ProcessReading before{.cpu_ns = 1'000'000'000, .rss_bytes = 10, .minor_faults = 50};
  ProcessReading now{.cpu_ns = 1'250'000'000, .rss_bytes = 20, .minor_faults = 40, .read_bytes = 9};
  auto metrics = difference(before, now);
  EXPECT_DOUBLE_EQ(metrics.cpu_seconds.value(), 0.25);
  EXPECT_EQ(metrics.rss_bytes, 20U);
  EXPECT_FALSE(metrics.minor_faults);
  EXPECT_FALSE(metrics.read_bytes);
}

TEST(ProcessProbe, TheKeptDescriptorsTellTheEndOfARealProcess) {
  pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  auto probe = ProcessProbe::open(child, ProcessProbe::for_this_machine());
  ASSERT_TRUE(probe) << probe.error().message;
  auto reading = probe->read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->threads, 1U);
  EXPECT_GE(reading->fds.value_or(0), 3U);
  EXPECT_GT(reading->rss_bytes.value_or(0), 0U);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(probe->read());
  EXPECT_FALSE(ProcessProbe::open(child, ProcessProbe::for_this_machine()));
}

TEST(ProcessProbe, BothWaysOfCountingDescriptorsAgree) {
  auto by_size = ProcessProbe::for_this_machine();
  if (!by_size.count_fds_by_size) GTEST_SKIP() << "this kernel does not tell by fstat";
  auto by_listing = by_size;
  by_listing.count_fds_by_size = false;
  auto one = ProcessProbe::open(::getpid(), by_size);
  auto other = ProcessProbe::open(::getpid(), by_listing);
  ASSERT_TRUE(one && other);
  // The listing sees its own descriptor as well.
  EXPECT_EQ(one->read()->fds.value() + 1, other->read()->fds.value());
}

}  // namespace
}  // namespace serin::agent
