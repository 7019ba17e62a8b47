#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/probe/socket_book.h"
#include "agent/probe/socket_message.h"

// A reply of sock_diag, and what is made of it in three looks: the same sockets, none, again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin::agent;
  constexpr uint32_t kSequence = 7;
  std::vector<SocketRecord> records;
  if (!read_dump(std::as_bytes(std::span(data, size)), kSequence, records)) return 0;
  SocketBook book({8080});
  book.look_at_all(records);
  book.look_at_listeners(records);
  book.look_at_all({});
  book.look_at_all(records);
  return 0;
}
