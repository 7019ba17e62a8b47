#include "agent/probe/socket_message.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tests/unit/agent/socket_bytes.h"

namespace serin::agent {
namespace {

using Bytes = std::vector<std::byte>;
constexpr uint32_t kSequence = 7;

Bytes whole_answer() {
  return bytes_of_hex(std::string(kListenerHex) + std::string(kEstablishedHex) +
                      std::string(kDoneHex));
}

/// A message of netlink alone.
Bytes message(uint16_t type, uint16_t flags, const Bytes& body, uint32_t sequence = kSequence) {
  nlmsghdr head{.nlmsg_len = static_cast<uint32_t>(sizeof head + body.size()),
                .nlmsg_type = type,
                .nlmsg_flags = flags,
                .nlmsg_seq = sequence,
                .nlmsg_pid = 0};
  Bytes bytes(sizeof head);
  std::memcpy(bytes.data(), &head, sizeof head);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

Bytes number(int32_t value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

DumpFault::Kind fault_of(const Bytes& bytes) {
  std::vector<SocketRecord> records;
  const auto end = read_dump(bytes, kSequence, records);
  EXPECT_FALSE(end);
  return end ? DumpFault::Kind::failed : end.error().kind;
}

TEST(SocketMessage, TheKernelsOwnWordsAreRead) {
  std::vector<SocketRecord> records;
  const auto end = read_dump(whole_answer(), kSequence, records);
  ASSERT_TRUE(end) << end.error().reason;
  EXPECT_EQ(*end, DumpEnd::done);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].state, TcpState::listen);
  EXPECT_EQ(records[0].local_port, 8080);
  EXPECT_EQ(records[0].waiting, 1U);
  EXPECT_EQ(records[0].unsent, 4U);
  EXPECT_EQ(records[0].drops, 0U);
  EXPECT_EQ(records[0].rtt_us, std::nullopt);
  EXPECT_EQ(records[1].state, TcpState::established);
  EXPECT_EQ(records[1].local_port, 40001);
  EXPECT_EQ(records[1].remote_port, 8080);
  EXPECT_EQ(records[1].retransmits, 0U);
  ASSERT_TRUE(records[1].rtt_us);
  EXPECT_GT(*records[1].rtt_us, 0U);
  EXPECT_LT(*records[1].rtt_us, 10'000U);
  EXPECT_NE(records[0].cookie, records[1].cookie);
}

TEST(SocketMessage, AnAnswerThatEndsAnywhereIsNeverReadBeyondAndNeverDone) {
  const Bytes whole = whole_answer();
  const size_t first = kListenerHex.size() / 2, second = first + kEstablishedHex.size() / 2;
  for (size_t length = 0; length < whole.size(); ++length) {
    const Bytes torn(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    std::vector<SocketRecord> records;
    const auto end = read_dump(torn, kSequence, records);
    const bool on_border = length == 0 || length == first || length == second;
    EXPECT_EQ(end.has_value(), on_border) << length;
    EXPECT_EQ(end.value_or(DumpEnd::more), DumpEnd::more);
  }
}

TEST(SocketMessage, NoLengthLeadsOutsideOfTheMessage) {
  const Bytes listener = bytes_of_hex(kListenerHex);
  // Each pair of bytes in turn as a length: of the message, of each attribute, or of nothing.
  for (size_t at = 0; at + 1 < listener.size(); ++at) {
    for (const int wrong_length : {0, 1, 3, 4, 15, 16, 71, 0x7FFF, 0xFFFF}) {
      const auto length = static_cast<uint16_t>(wrong_length);
      Bytes wrong = listener;
      std::memcpy(wrong.data() + at, &length, sizeof length);
      std::vector<SocketRecord> records;
      const auto end = read_dump(wrong, kSequence, records);
      EXPECT_TRUE(end || !end.error().reason.empty());
      EXPECT_LE(records.size(), 1U);
    }
  }
}

TEST(SocketMessage, AListThatChangedMeanwhileIsNoList) {
  const Bytes body(72);
  EXPECT_EQ(fault_of(message(20, NLM_F_DUMP_INTR, body)), DumpFault::Kind::interrupted);
  EXPECT_EQ(fault_of(message(NLMSG_DONE, NLM_F_DUMP_INTR, number(0))),
            DumpFault::Kind::interrupted);
  EXPECT_EQ(fault_of(message(NLMSG_OVERRUN, 0, {})), DumpFault::Kind::interrupted);
  EXPECT_EQ(fault_of(message(NLMSG_DONE, 0, {})), DumpFault::Kind::interrupted);
}

TEST(SocketMessage, WhatTheKernelRefusesIsToldFromWhatItForbids) {
  EXPECT_EQ(fault_of(message(NLMSG_ERROR, 0, number(-EINVAL))), DumpFault::Kind::refused);
  EXPECT_EQ(fault_of(message(NLMSG_ERROR, 0, number(-EPERM))), DumpFault::Kind::failed);
  EXPECT_EQ(fault_of(message(NLMSG_DONE, 0, number(-ENOENT))), DumpFault::Kind::failed);
  EXPECT_EQ(fault_of(message(NLMSG_ERROR, 0, number(INT32_MIN))), DumpFault::Kind::failed);
}

TEST(SocketMessage, AnswersToAnEarlierQuestionAreNotMixedIn) {
  std::vector<SocketRecord> records;
  const auto end = read_dump(whole_answer(), kSequence + 1, records);
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, DumpEnd::more);
  EXPECT_TRUE(records.empty());
}

TEST(SocketMessage, WhatAnOlderKernelLeavesOutIsAbsent) {
  Bytes bare = bytes_of_hex(kEstablishedHex.substr(32, 144));  // inet_diag_msg without attributes
  std::vector<SocketRecord> records;
  ASSERT_TRUE(read_dump(message(20, 0, bare), kSequence, records));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].drops, std::nullopt);
  EXPECT_EQ(records[0].rtt_us, std::nullopt);
  EXPECT_EQ(records[0].retransmits, std::nullopt);
}

TEST(SocketMessage, SocketsInOtherStatesAreSkipped) {
  Bytes bare = bytes_of_hex(kEstablishedHex.substr(32, 144));
  for (int state = 0; state < 256; ++state) {
    bare[1] = static_cast<std::byte>(state);
    std::vector<SocketRecord> records;
    ASSERT_TRUE(read_dump(message(20, 0, bare), kSequence, records));
    const bool looked_at = state == 1 || state == 2 || state == 4 || (state >= 8 && state <= 11);
    EXPECT_EQ(records.size(), looked_at ? 1U : 0U) << state;
  }
}

}  // namespace
}  // namespace serin::agent
