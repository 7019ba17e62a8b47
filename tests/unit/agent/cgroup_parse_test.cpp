#include "agent/probe/cgroup_parse.h"

#include <gtest/gtest.h>

#include <string_view>

namespace serin::agent {
namespace {

TEST(CgroupParse, PressureIsTheTotalOfSome) {
  EXPECT_EQ(parse_pressure_us("some avg10=74.53 avg60=22.58 avg300=20.56 total=392169548\n"
                              "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
            392169548U);
  EXPECT_FALSE(parse_pressure_us("full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"));
  EXPECT_FALSE(parse_pressure_us("some avg10=0.00 avg60=0.00 avg300=0.00 total=\n"));
  EXPECT_FALSE(parse_pressure_us("some avg10=0.00 total=12us\n"));
  EXPECT_FALSE(parse_pressure_us(""));
}

TEST(CgroupParse, ADeviceWithoutFiguresAndAFileWithoutDevicesAreZero) {
  EXPECT_EQ(parse_io_stat("", "rbytes"), 0U);
  EXPECT_EQ(parse_io_stat("253:1 \n", "rbytes"), 0U);
  EXPECT_EQ(parse_io_stat("253:1\n8:0 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n", "rbytes"),
            5U);
  EXPECT_FALSE(parse_io_stat("sda rbytes=5\n", "rbytes"));
  EXPECT_FALSE(parse_io_stat("nonsense\n", "rbytes"));
}

TEST(CgroupParse, Version1TellsReadsByDeviceAndATotalAloneTellsNothing) {
  EXPECT_EQ(parse_blkio_reads("8:0 Read 7\n8:0 Write 9\n8:16 Read 1\n8:0 Total 16\nTotal 17\n"),
            8U);
  EXPECT_FALSE(parse_blkio_reads("Total 0\n"));
  EXPECT_FALSE(parse_blkio_reads("8:0 Read many\n"));
  EXPECT_FALSE(parse_blkio_reads("Read 7\n"));
}

TEST(CgroupParse, AKeyIsAWholeWord) {
  EXPECT_EQ(parse_flat_keyed("anon_thp 9\nanon 4\n", "anon"), 4U);
  EXPECT_FALSE(parse_flat_keyed("anon_thp 9\n", "anon"));
  EXPECT_FALSE(parse_flat_keyed("anon -4\n", "anon"));
  EXPECT_FALSE(parse_flat_keyed("anon\n", "anon"));
  EXPECT_EQ(parse_nested_sum("8:0 drbytes=3 rbytes=4\n", "rbytes"), 4U);
}

}  // namespace
}  // namespace serin::agent
