#include "tests/sim/fleet/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace serin::sim {
namespace {

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  const char* source = std::getenv("SERIN_SOURCE");
  const std::filesystem::path root = source != nullptr ? source : SERIN_SOURCE_DIR;
  for (const auto& entry : std::filesystem::directory_iterator(root / "tests/sim/fleet/scenarios")) {
    if (entry.path().extension() == ".txt") found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

class Scenario : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Scenario, EndsAsItSays) { EXPECT_EQ(run_scenario(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Files, Scenario, testing::ValuesIn(files()), [](const auto& each) {
  std::string name = each.param.stem().string();
  std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace serin::sim
