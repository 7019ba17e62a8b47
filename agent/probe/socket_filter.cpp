#include "agent/probe/socket_filter.h"

#include <linux/inet_diag.h>

#include <cstring>
#include <limits>

namespace serin::agent {
namespace {

// linux/inet_diag.h has it since 5.8; older headers must not forbid what the kernel may know.
constexpr uint8_t kCgroupCondition = 13;
constexpr uint8_t kOp = sizeof(inet_diag_bc_op);
constexpr uint8_t kGroupBytes = kOp + sizeof(uint64_t);
constexpr uint8_t kPortBytes = 4 * kOp;  // at least and at most, each with its port in a second op
constexpr uint8_t kJumpBytes = kOp;

template <typename T>
void put(Bytes& code, const T& value) {
  const size_t at = code.size();
  code.resize(at + sizeof value);
  std::memcpy(code.data() + at, &value, sizeof value);
}

void put_op(Bytes& code, uint8_t what, uint8_t yes, size_t no) {
  put(code, inet_diag_bc_op{.code = what, .yes = yes, .no = static_cast<uint16_t>(no)});
}

/// A comparison of the local port; the port stands in an op of its own behind it.
void put_port(Bytes& code, uint8_t comparison, uint16_t port, size_t no) {
  put_op(code, comparison, 2 * kOp, no);
  put_op(code, INET_DIAG_BC_NOP, 0, port);
}

/// A jump that lands exactly on the code's end accepts; one that goes past it refuses.
void put_accept(Bytes& code, size_t total) {
  if (code.size() == total) return;
  put_op(code, INET_DIAG_BC_JMP, kOp, total - code.size());
}

}  // namespace

Bytes filter_code(const SocketFilter& filter) {
  const size_t total = filter.groups.size() * (kGroupBytes + kJumpBytes) +
                       filter.ports.size() * (kPortBytes + kJumpBytes) - kJumpBytes;
  static_assert(SocketFilter::kMostGroups * (kGroupBytes + kJumpBytes) +
                    SocketFilter::kMostPorts * (kPortBytes + kJumpBytes) <
                std::numeric_limits<uint16_t>::max());
  Bytes code;
  code.reserve(total);
  // Where a condition does not hold the next one is tried, behind the jump that accepts; of the
  // last one there is no such jump, and the same distance leads past the end.
  for (const uint64_t group : filter.groups) {
    put_op(code, kCgroupCondition, kGroupBytes, kGroupBytes + kJumpBytes);
    put(code, group);
    put_accept(code, total);
  }
  for (const uint16_t port : filter.ports) {
    put_port(code, INET_DIAG_BC_S_GE, port, kPortBytes + kJumpBytes);
    put_port(code, INET_DIAG_BC_S_LE, port, 2 * kOp + kJumpBytes);
    put_accept(code, total);
  }
  return code;
}

}  // namespace serin::agent
