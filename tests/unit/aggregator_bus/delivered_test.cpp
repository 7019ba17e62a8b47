#include <gtest/gtest.h>

#include "aggregator/bus/pull_reader.h"

namespace serin::aggregator {
namespace {

TEST(Delivered, IsReadFromTheReplySubject) {
  const auto read = parse_delivered("$JS.ACK.SERIN_INPUT.abc.1.1042.17.1790000000123456789.3");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->stream_sequence, 1042u);
  EXPECT_EQ(read->consumer_sequence, 17u);
  EXPECT_EQ(read->stored_us, 1790000000123456);
  EXPECT_EQ(read->pending, 3u);
}

TEST(Delivered, ADomainAndARandomTokenAreSkipped) {
  for (const char* reply :
       {"$JS.ACK.hub.hash.SERIN_INPUT.abc.1.1042.17.1790000000123456789.3",
        "$JS.ACK._.hash.SERIN_INPUT.abc.1.1042.17.1790000000123456789.3.random"}) {
    const auto read = parse_delivered(reply);
    ASSERT_TRUE(read) << reply;
    EXPECT_EQ(read->stream_sequence, 1042u);
    EXPECT_EQ(read->pending, 3u);
  }
}

TEST(Delivered, AnythingElseIsAnError) {
  for (const char* reply :
       {"", "$JS", "_INBOX.abc", "$JS.ACK.SERIN_INPUT.abc.1.1042.17.1790000000123456789",
        "$JS.ACK.SERIN_INPUT.abc.1.x.17.1790000000123456789.3",
        "$JS.ACK.SERIN_INPUT.abc.1.1042.-17.17900.3",
        "$JS.NAK.SERIN_INPUT.abc.1.1042.17.1790000000123456789.3",
        "$JS.ACK.SERIN_INPUT.abc.1.1042.17.1790.3.4",
        "$JS.ACK.SERIN_INPUT.abc.1.99999999999999999999999.17.1790000000123456789.3"}) {
    EXPECT_FALSE(parse_delivered(reply)) << reply;
  }
}

}  // namespace
}  // namespace serin::aggregator
