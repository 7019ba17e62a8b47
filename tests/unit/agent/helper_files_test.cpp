#include "agent/sampler/helper_files.h"

#include <gtest/gtest.h>

#include "tests/unit/common/temporary_folder.h"

namespace serin::agent {
namespace {

using Mark = ServiceCheck::Line::Mark;

class HelperFiles : public testing::Test {
 protected:
  std::vector<ServiceCheck::Line> look(const std::string& agent_host) {
    return check_helper_files(folder_.path(), agent_host, "web-07", {"api"});
  }
  TemporaryFolder folder_;
};

TEST_F(HelperFiles, WithoutAnyTheHelperActsForTheHostsName) {
  ASSERT_EQ(look("web-07").size(), 1u);
  EXPECT_EQ(look("web-07")[0].mark, Mark::good);
  EXPECT_EQ(look("blue-1")[0].mark, Mark::bad);
  EXPECT_NE(look("blue-1")[0].fix.find("host = \"blue-1\""), std::string::npos);
}

TEST_F(HelperFiles, TheHostInRollbackTomlMustBeTheAgents) {
  folder_.write("rollback.toml", "host = \"blue-1\"\nstate = \"/x\"\n");
  EXPECT_EQ(look("blue-1")[0].mark, Mark::good);
  EXPECT_EQ(look("web-07")[0].mark, Mark::bad);
  folder_.write("rollback.toml", "host = ");
  EXPECT_EQ(look("web-07")[0].mark, Mark::note) << "what cannot be read is not known";
}

TEST_F(HelperFiles, AHoldIsNamed) {
  std::filesystem::create_directory(folder_.path() / "hold.d");
  folder_.write("hold.d/api", "freeze");
  folder_.write("hold.d/web", "another service");
  auto lines = look("web-07");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].mark, Mark::bad);
  EXPECT_NE(lines[1].text.find("hold.d/api"), std::string::npos);
  folder_.write("hold", "");
  EXPECT_EQ(look("web-07").size(), 3u);
}

}  // namespace
}  // namespace serin::agent
