#include "agent/probe/socket_filter.h"

#include <gtest/gtest.h>
#include <linux/inet_diag.h>

#include <cstring>

namespace serin::agent {
namespace {

/// The kernel's interpreter of the bytecode, as its own comments describe it: accepts when the code
/// is run to exactly its end, and checks what it checks before.
class Interpreter {
 public:
  explicit Interpreter(Bytes code) : code_(std::move(code)) {}

  [[nodiscard]] bool passes(uint64_t group, uint16_t port) const {
    size_t at = 0;
    while (at < code_.size()) {
      const auto op = value<inet_diag_bc_op>(at);
      at += holds(op, at, group, port) ? op.yes : op.no;
    }
    return at == code_.size();
  }

  /// Every "yes" leads to the next instruction, every "no" to one of them or past the end.
  [[nodiscard]] bool is_valid() const {
    std::vector<size_t> starts;
    for (size_t at = 0; at < code_.size(); at += value<inet_diag_bc_op>(at).yes) {
      if (value<inet_diag_bc_op>(at).yes < sizeof(inet_diag_bc_op)) return false;
      starts.push_back(at);
    }
    starts.push_back(code_.size());
    starts.push_back(code_.size() + sizeof(inet_diag_bc_op));
    for (const size_t at : std::vector(starts.begin(), starts.end() - 2)) {
      const auto op = value<inet_diag_bc_op>(at);
      if (op.no % 4 != 0 || op.yes % 4 != 0) return false;
      if (std::find(starts.begin(), starts.end(), at + op.no) == starts.end()) return false;
    }
    return true;
  }

 private:
  template <typename T>
  T value(size_t at) const {
    T value{};
    EXPECT_LE(at + sizeof(T), code_.size());
    std::memcpy(&value, code_.data() + at, sizeof value);
    return value;
  }
  bool holds(const inet_diag_bc_op& op, size_t at, uint64_t group, uint16_t port) const {
    switch (op.code) {
      case INET_DIAG_BC_S_GE:
        return port >= value<inet_diag_bc_op>(at + 4).no;
      case INET_DIAG_BC_S_LE:
        return port <= value<inet_diag_bc_op>(at + 4).no;
      case 13:  // INET_DIAG_BC_CGROUP_COND
        return group == value<uint64_t>(at + 4);
      case INET_DIAG_BC_JMP:
        return false;
      default:
        ADD_FAILURE() << "code " << int{op.code};
        return false;
    }
  }

  Bytes code_;
};

TEST(SocketFilter, OneGroupIsTwelveBytes) {
  const Bytes code = filter_code({.groups = {0x1122334455667788}, .ports = {}});
  EXPECT_EQ(code, (Bytes{13, 12, 16, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}));
}

TEST(SocketFilter, ASocketPassesWhenOneOfTheConditionsHolds) {
  const Interpreter filter(filter_code({.groups = {5, 7, uint64_t{1} << 40}, .ports = {80, 8080}}));
  EXPECT_TRUE(filter.is_valid());
  for (const uint64_t group : {uint64_t{5}, uint64_t{7}, uint64_t{1} << 40})
    EXPECT_TRUE(filter.passes(group, 1)) << group;
  EXPECT_TRUE(filter.passes(6, 80));
  EXPECT_TRUE(filter.passes(6, 8080));
  EXPECT_FALSE(filter.passes(6, 79));
  EXPECT_FALSE(filter.passes(6, 81));
  EXPECT_FALSE(filter.passes(0, 65535));
}

TEST(SocketFilter, EverySizeItMayHaveIsValid) {
  for (size_t groups = 0; groups <= SocketFilter::kMostGroups; ++groups) {
    for (size_t ports = groups == 0 ? 1 : 0; ports <= SocketFilter::kMostPorts; ++ports) {
      SocketFilter wanted;
      for (size_t i = 0; i < groups; ++i) wanted.groups.push_back(1000 + i);
      for (size_t i = 0; i < ports; ++i) wanted.ports.push_back(static_cast<uint16_t>(100 + 2 * i));
      const Interpreter filter(filter_code(wanted));
      ASSERT_TRUE(filter.is_valid()) << groups << " " << ports;
      EXPECT_FALSE(filter.passes(1, 1));
      for (const uint64_t group : wanted.groups) EXPECT_TRUE(filter.passes(group, 1));
      for (const uint16_t port : wanted.ports) {
        EXPECT_TRUE(filter.passes(1, port));
        EXPECT_FALSE(filter.passes(1, static_cast<uint16_t>(port + 1)));
      }
    }
  }
}

}  // namespace
}  // namespace serin::agent
