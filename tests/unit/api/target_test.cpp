#include "aggregator/api/target.h"

#include <gtest/gtest.h>

namespace serin::aggregator {
namespace {

TEST(Target, IsTakenApart) {
  const Target target =
      parse_target("/api/v1/gates/api/feature%2Fx%20y?stage=2&who=a%26b+c&flag").value();
  EXPECT_EQ(target.path, (std::vector<std::string>{"api", "v1", "gates", "api", "feature/x y"}));
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(target.query, (Pairs{{"stage", "2"}, {"who", "a&b c"}, {"flag", ""}}));
  EXPECT_EQ(parse_target("/").value().path, std::vector<std::string>{""});
  EXPECT_EQ(parse_target("/a?").value().query.size(), 0u);
  EXPECT_EQ(parse_target("/a+b").value().path[0], "a+b") << "a plus in a path is a plus";
}

TEST(Target, HostileOnesAreRefused) {
  for (const std::string& raw :
       {std::string(), std::string("*"), std::string("http://x/"), std::string("/%"),
        std::string("/%2"), std::string("/%zz"), std::string("/%00"), std::string("/a%00b"),
        std::string("/%0d%0aX:%20y"), std::string("/%ff%fe"), std::string("/a?x=%00"),
        std::string("/a\x01"), "/" + std::string(2048, 'a')}) {
    EXPECT_FALSE(parse_target(raw).has_value()) << raw;
  }
  std::string deep, wide = "/a?";
  for (int i = 0; i < 40; ++i) {
    deep += "/a";
    wide += "x=1&";
  }
  EXPECT_FALSE(parse_target(deep).has_value());
  EXPECT_FALSE(parse_target(wide).has_value());
}

}  // namespace
}  // namespace serin::aggregator
