#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "aggregator/core/judge/count_stream.h"
#include "aggregator/core/judge/distributions.h"
#include "aggregator/core/judge/spread.h"

// Against an independent float64 implementation: golden/make_golden.py says what stands in the
// files.

namespace serin::judge {
namespace {

std::ifstream golden(const std::string& file) {
  const char* source = std::getenv("SERIN_SOURCE");
  const std::string root = source ? source : ".";  // by hand: from the top of the tree
  std::ifstream in(root + "/tests/unit/judge/golden/" + file);
  EXPECT_TRUE(in) << "cannot read " << file << " below " << root;
  return in;
}

std::map<std::string, double> pairs(std::istringstream& in) {
  std::map<std::string, double> out;
  std::string key;
  double value = 0;
  while (in >> key >> value) out[key] = value;
  return out;
}

void expect_close(double got, double want, double relative, const std::string& where) {
  EXPECT_LE(std::fabs(got - want), relative * std::max(1.0, std::fabs(want)))
      << where << ": " << got << " instead of " << want;
}

TEST(Golden, DistributionsAgreeWithScipy) {
  auto in = golden("distributions.txt");
  std::string kind;
  double a = 0, b = 0, want = 0;
  int lines = 0;
  while (in >> kind >> a >> b >> want) {
    double got = NAN;
    if (kind == "density") got = student_density(a, b);
    if (kind == "tail") got = student_tail(a, b);
    if (kind == "quantile") got = student_upper_quantile(a, b);
    if (kind == "normal") got = normal_upper_quantile(a);
    EXPECT_LE(std::fabs(got - want), 1e-11 * std::fabs(want)) << kind << ' ' << a << ' ' << b;
    ++lines;
  }
  EXPECT_GT(lines, 100);
}

TEST(Golden, EveryStepOfEveryProcessAgrees) {
  auto in = golden("processes.txt");
  std::string line;
  int streams = 0;
  while (std::getline(in, line)) {
    std::istringstream head(line);
    std::string word, stream_name;
    head >> word >> stream_name;
    ASSERT_EQ(word, "stream") << line;
    auto v = pairs(head);
    CountOptions options;
    options.alpha = v["alpha"];
    options.margin = v["margin"];
    options.seconds_per_step = v["step"];
    options.horizon_seconds = v["horizon"];
    options.fresh_starts = options.patient_alternatives = false;  // the textbook form
    options.null = {.centre = v["centre"],
                    .s = v["s"],
                    .s_slow = v["s_slow"],
                    .s_fast = v["s_fast"],
                    .degrees = v["df"]};
    const CountPlan plan(options);
    CountStream stream(plan);
    for (int t = 0; t < static_cast<int>(v["steps"]); ++t) {
      ASSERT_TRUE(std::getline(in, line));
      std::istringstream row(line);
      Counts c;
      double offset = 0, want[kProcesses] = {};
      row >> c.canary_bad >> c.canary >> c.baseline_bad >> c.baseline >> offset;
      for (double& w : want) row >> w;
      ASSERT_TRUE(row) << line;
      stream.step(c, {.shift = 0, .fade = offset});
      for (size_t p = 0; p < kProcesses; ++p) {
        const auto process = static_cast<Process>(p);
        expect_close(stream.log_evidence(process), want[p], 1e-6,
                     stream_name + " " + name(process) + " step " + std::to_string(t));
      }
      if (::testing::Test::HasFailure()) return;
    }
    ++streams;
  }
  EXPECT_EQ(streams, 9);
}

TEST(Golden, SpreadAgrees) {
  auto in = golden("spread.txt");
  std::string line;
  int histories = 0;
  while (std::getline(in, line)) {
    std::istringstream head(line);
    std::string word, history_name;
    head >> word >> history_name;
    auto v = pairs(head);
    std::vector<HostBlocks> history;
    std::vector<uint32_t> canary;
    for (uint32_t h = 0; h < static_cast<uint32_t>(v["hosts"]); ++h) {
      ASSERT_TRUE(std::getline(in, line));
      std::istringstream row(line);
      int is_canary = 0;
      row >> is_canary;
      HostBlocks host{.host = h, .canary = is_canary != 0, .blocks = {}};
      if (host.canary) canary.push_back(h);
      for (int b = 0; b < static_cast<int>(v["blocks"]); ++b) {
        BlockCount block{.index = b + 1000};
        row >> block.requests >> block.bad;
        host.blocks.push_back(block);
      }
      ASSERT_TRUE(row);
      history.push_back(std::move(host));
    }
    ASSERT_TRUE(std::getline(in, line));
    std::istringstream row(line);
    row >> word;
    auto want = pairs(row);
    const Spread spread(history, kErrorPrior, v["floor"]);
    const NullModel null = spread.null_for(canary, spread.baseline_hosts());
    EXPECT_FALSE(spread.assumed());
    EXPECT_EQ(null.clumping, 1);
    expect_close(spread.components().persistent, want["persistent"], 1e-9, history_name);
    expect_close(spread.components().drift, want["drift"], 1e-9, history_name);
    expect_close(spread.components().fast, want["fast"], 1e-9, history_name);
    expect_close(null.centre, want["centre"], 1e-9, history_name);
    expect_close(null.s, want["s"], 1e-9, history_name);
    expect_close(null.s_slow, want["s_slow"], 1e-9, history_name);
    expect_close(null.s_fast, want["s_fast"], 1e-9, history_name);
    expect_close(null.degrees, want["degrees"], 1e-9, history_name);
    ++histories;
  }
  EXPECT_EQ(histories, 3);
}

}  // namespace
}  // namespace serin::judge
