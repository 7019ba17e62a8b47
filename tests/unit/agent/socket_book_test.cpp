#include "agent/probe/socket_book.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schema/limits.h"

namespace serin::agent {
namespace {

using Records = std::vector<SocketRecord>;

SocketRecord listener(uint64_t cookie, uint16_t port, uint32_t waiting = 0, uint32_t drops = 0) {
  return {.cookie = cookie,
          .state = TcpState::listen,
          .local_port = port,
          .waiting = waiting,
          .unsent = 128,
          .drops = drops};
}

SocketRecord in(uint64_t cookie, uint32_t retransmits = 0) {
  return {.cookie = cookie,
          .local_port = 8080,
          .remote_port = 50'000,
          .rtt_us = 9'000'000,
          .retransmits = retransmits};
}

SocketRecord out(uint64_t cookie, uint16_t port, uint32_t rtt_us = 1000, uint32_t retransmits = 0) {
  return {.cookie = cookie,
          .local_port = 40'000,
          .remote_port = port,
          .rtt_us = rtt_us,
          .retransmits = retransmits};
}

SocketRecord connecting(uint64_t cookie, uint16_t port, uint32_t retransmits = 0) {
  auto record = out(cookie, port, 0, retransmits);
  record.state = TcpState::syn_sent;
  record.rtt_us.reset();
  record.unsent = 1;
  return record;
}

SocketRecord in_state(SocketRecord record, TcpState state, uint32_t unsent = 0) {
  record.state = state;
  record.unsent = unsent;
  return record;
}

const RemotePort* remote(const SocketMetrics& metrics, uint16_t port) {
  auto found = std::ranges::find(metrics.remotes, port, &RemotePort::port);
  return found == metrics.remotes.end() ? nullptr : &*found;
}

TEST(SocketBook, DirectionIsToldByTheListenersPort) {
  SocketBook book({});
  auto seen = book.look_at_all(Records{in(2), in(3), listener(1, 8080), out(4, 5432)});
  EXPECT_EQ(seen.inbound, 2U);
  EXPECT_EQ(seen.outbound, 1U);
  ASSERT_EQ(seen.remotes.size(), 1U);
  EXPECT_EQ(seen.remotes[0].port, 5432);
  EXPECT_EQ(seen.remotes[0].connections, 1U);
}

TEST(SocketBook, APortOfTheServicesFileIsItsOwnWhoeverListens) {
  SocketBook book({8080});
  auto seen = book.look_at_all(Records{in(2)});
  EXPECT_EQ(seen.inbound, 1U);
  EXPECT_EQ(seen.outbound, 0U);
}

TEST(SocketBook, ConnectionsStayInboundWhileAClosedListenerDrains) {
  SocketBook book({});
  book.look_at_all(Records{listener(1, 8080), in(2)});
  auto seen = book.look_at_all(Records{in(2)});
  EXPECT_EQ(seen.inbound, 1U);
  EXPECT_EQ(seen.outbound, 0U);
}

TEST(SocketBook, QueuesOfAllListenersAddUp) {
  SocketBook book({});
  auto seen = book.look_at_all(Records{listener(1, 8080, 3), listener(2, 8080, 4), listener(3, 9)});
  EXPECT_EQ(seen.accept_queue, 7U);
  EXPECT_EQ(seen.accept_limit, 384U);
}

TEST(SocketBook, OverflowsAreThoseSinceTheLookBeforeAndCountFromAListenersStart) {
  SocketBook book({});
  EXPECT_EQ(book.look_at_all(Records{listener(1, 8080, 0, 100)}).accept_overflows, std::nullopt);
  EXPECT_EQ(book.look_at_listeners(Records{listener(1, 8080, 0, 103)}).accept_overflows, 3U);
  EXPECT_EQ(
      book.look_at_all(Records{listener(1, 8080, 0, 104), listener(2, 9, 0, 5)}).accept_overflows,
      6U);
  EXPECT_EQ(book.look_at_listeners(Records{listener(2, 9, 0, 5)}).accept_overflows, 0U);
}

TEST(SocketBook, DropsThatTheKernelDoesNotTellAreNotZero) {
  SocketBook book({});
  auto silent = listener(1, 8080);
  silent.drops.reset();
  book.look_at_all(Records{silent});
  auto seen = book.look_at_listeners(Records{silent});
  EXPECT_EQ(seen.accept_overflows, std::nullopt);
  EXPECT_EQ(seen.accept_queue, 0U);
}

TEST(SocketBook, RetransmitsAreCountedOnceAndFromASocketsStart) {
  SocketBook book({});
  auto first = book.look_at_all(Records{listener(1, 8080), in(2, 50), out(3, 5432, 1000, 7)});
  EXPECT_EQ(first.retransmits, std::nullopt);  // nobody knows since when
  EXPECT_EQ(remote(first, 5432)->retransmits, std::nullopt);
  auto seen = book.look_at_all(
      Records{listener(1, 8080), in(2, 52), out(3, 5432, 1000, 8), out(4, 5432, 1000, 2)});
  EXPECT_EQ(seen.retransmits, 5U);
  EXPECT_EQ(remote(seen, 5432)->retransmits, 3U);
  EXPECT_EQ(book.look_at_all(Records{in(2, 52)}).retransmits, 0U);
}

TEST(SocketBook, ASocketConnectedAnewCountsFromZero) {
  SocketBook book({});
  book.look_at_all(Records{out(3, 5432, 1000, 7)});
  EXPECT_EQ(book.look_at_all(Records{out(3, 5432, 1000, 2)}).retransmits, 2U);
}

TEST(SocketBook, ASocketThatTheKernelLeftOutOnceIsNotCountedTwice) {
  SocketBook book({});
  book.look_at_all(Records{out(3, 5432)});
  EXPECT_EQ(book.look_at_all(Records{out(3, 5432, 1000, 9)}).retransmits, 9U);
  EXPECT_EQ(book.look_at_all(Records{}).retransmits, 0U);
  EXPECT_EQ(book.look_at_all(Records{out(3, 5432, 1000, 10)}).retransmits, 1U);
}

TEST(SocketBook, ASocketThatTheKernelTellsTwiceCountsOnce) {
  SocketBook book({});
  book.look_at_all(Records{});
  auto seen = book.look_at_all(Records{out(3, 5432, 1000, 2), out(3, 5432, 1000, 2)});
  EXPECT_EQ(seen.outbound, 1U);
  EXPECT_EQ(seen.retransmits, 2U);
  EXPECT_EQ(book.sockets(), 1U);
}

TEST(SocketBook, AConnectThatVanishesAfterARepeatedSynHasFailed) {
  SocketBook book({});
  book.look_at_all(Records{});
  auto waits = book.look_at_all(Records{connecting(5, 6379), connecting(6, 6379, 1)});
  EXPECT_EQ(waits.connecting, 2U);
  EXPECT_EQ(waits.failed_connects, 0U);
  EXPECT_EQ(waits.unsent_bytes, 0U);  // a SYN is no data
  EXPECT_EQ(remote(waits, 6379)->connecting, 2U);
  auto gone = book.look_at_all(Records{});
  EXPECT_EQ(gone.failed_connects, 1U);  // the other may have been established and closed
  ASSERT_NE(remote(gone, 6379), nullptr);
  EXPECT_EQ(remote(gone, 6379)->failed_connects, 1U);
  EXPECT_EQ(remote(gone, 6379)->connections, 0U);
  auto later = book.look_at_all(Records{});
  EXPECT_EQ(later.failed_connects, 0U);
  EXPECT_TRUE(later.remotes.empty());
}

TEST(SocketBook, AConnectThatSucceedsLateHasNotFailed) {
  SocketBook book({});
  book.look_at_all(Records{connecting(6, 6379, 2)});
  auto seen = book.look_at_all(Records{out(6, 6379, 1000, 2)});
  EXPECT_EQ(seen.failed_connects, 0U);
  EXPECT_EQ(seen.outbound, 1U);
  EXPECT_EQ(book.look_at_all(Records{}).failed_connects, 0U);
}

TEST(SocketBook, UnsentBytesAreThoseThePeersHaveNotAcknowledged) {
  SocketBook book({});
  auto seen = book.look_at_all(Records{
      in_state(in(1), TcpState::established, 1000), in_state(in(2), TcpState::close_wait, 20),
      in_state(in(3), TcpState::fin_wait_1, 301), in_state(in(4), TcpState::last_ack, 1)});
  EXPECT_EQ(seen.unsent_bytes, 1320U);  // a FIN is no byte
  EXPECT_EQ(seen.close_wait, 1U);
}

TEST(SocketBook, RoundTripsAreTheMedianOfOutboundOnes) {
  SocketBook book({});
  auto seen =
      book.look_at_all(Records{listener(1, 8080), in(2), out(3, 5432, 1000), out(4, 5432, 3000),
                               out(5, 5432, 2000), out(6, 80, 90'000), out(7, 80, 80'000)});
  EXPECT_DOUBLE_EQ(seen.rtt_seconds.value_or(0), 0.003);
  EXPECT_DOUBLE_EQ(remote(seen, 5432)->rtt_seconds.value_or(0), 0.002);
  EXPECT_DOUBLE_EQ(remote(seen, 80)->rtt_seconds.value_or(0), 0.09);
  EXPECT_EQ(SocketBook({}).look_at_all(Records{in(2)}).rtt_seconds.has_value(), true);
  EXPECT_EQ(SocketBook({8080}).look_at_all(Records{in(2)}).rtt_seconds, std::nullopt);
}

TEST(SocketBook, BetweenTwoLooksLevelsStandAndAmountsAreNone) {
  SocketBook book({});
  book.look_at_all(Records{listener(1, 8080), out(3, 5432)});
  auto whole =
      book.look_at_all(Records{listener(1, 8080, 2, 1), out(3, 5432, 1000, 4), connecting(9, 80)});
  auto between = book.look_at_listeners(Records{listener(1, 8080, 5, 3)});
  EXPECT_EQ(between.outbound, whole.outbound);
  EXPECT_EQ(between.connecting, 1U);
  EXPECT_EQ(between.accept_queue, 5U);
  EXPECT_EQ(between.accept_overflows, 2U);
  EXPECT_EQ(between.retransmits, 0U);
  EXPECT_EQ(remote(whole, 5432)->retransmits, 4U);
  EXPECT_EQ(remote(between, 5432)->retransmits, 0U);
  EXPECT_EQ(remote(between, 5432)->connections, 1U);
}

TEST(SocketBook, TheBusiestPortsAreToldSortedAndADeadPartnerIsAmongThem) {
  SocketBook book({});
  Records records;
  for (uint16_t port = 1; port <= 40; ++port)
    for (uint16_t i = 0; i < port; ++i) records.push_back(out(port * 100U + i, port));
  Records before = records;
  for (uint64_t i = 0; i < 50; ++i) before.push_back(connecting(100'000 + i, 9999, 1));
  book.look_at_all(before);
  auto seen = book.look_at_all(records);
  ASSERT_EQ(seen.remotes.size(), limits::kRemotes);
  EXPECT_TRUE(std::ranges::is_sorted(seen.remotes, {}, &RemotePort::port));
  ASSERT_NE(remote(seen, 9999), nullptr);
  EXPECT_EQ(remote(seen, 9999)->failed_connects, 50U);
  EXPECT_EQ(seen.remotes.front().port, 26);  // 40 … 26 and 9999
  EXPECT_EQ(seen.outbound, 820U);
}

TEST(SocketBook, AsManySocketsAsALookMayFindAreTold) {
  SocketBook book({});
  Records records;
  for (uint64_t i = 1; i <= 32'768; ++i)
    records.push_back(out(i, static_cast<uint16_t>(i % 500), 1000, 1));
  book.look_at_all(records);
  for (auto& record : records) record.retransmits = 2;
  EXPECT_EQ(book.look_at_all(records).retransmits, 32'768U);
  // All of them gone and as many others come: the gone ones are remembered once more.
  Records others = records;
  for (auto& record : others) record.cookie += 1'000'000;
  EXPECT_EQ(book.look_at_all(others).retransmits, 65'536U);
  EXPECT_EQ(book.look_at_all(records).retransmits, 0U);
  EXPECT_EQ(book.look_at_all({}).outbound, 0U);
}

TEST(SocketBook, WhatTheKernelDoesNotCountIsAbsent) {
  SocketBook book({});
  auto silent = out(3, 5432);
  silent.retransmits.reset();
  book.look_at_all(Records{silent});
  auto seen = book.look_at_all(Records{silent});
  EXPECT_EQ(seen.retransmits, std::nullopt);
  EXPECT_EQ(seen.failed_connects, std::nullopt);
  EXPECT_EQ(seen.outbound, 1U);
}

TEST(SocketTable, GrowsShrinksAndForgetsNothing) {
  SocketTable table;
  EXPECT_EQ(table.find(1), nullptr);
  EXPECT_FALSE(table.add({.cookie = 0}));
  for (const uint64_t step : {uint64_t{1}, uint64_t{1} << 32, uint64_t{64}}) {
    for (uint64_t i = 1; i <= 5000; ++i)
      ASSERT_TRUE(table.add({.cookie = i * step, .count = static_cast<uint32_t>(i)}));
    EXPECT_EQ(table.size(), 5000U);
    for (uint64_t i = 1; i <= 5000; ++i) ASSERT_EQ(table.find(i * step)->count, i);
    EXPECT_EQ(table.find(5001 * step), nullptr);
    for (int i = 0; i < 20; ++i) table.clear();
    EXPECT_EQ(table.size(), 0U);
    EXPECT_EQ(table.find(step), nullptr);
  }
}

}  // namespace
}  // namespace serin::agent
