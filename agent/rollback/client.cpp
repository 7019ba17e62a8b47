#include "agent/rollback/client.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include "common/file.h"
#include "common/loop.h"
#include "schema/wire.h"

namespace serin::agent {
namespace {

constexpr uint64_t kAnswerWithinMs = 2000;
constexpr size_t kMostCalls = 256;  // one for each service of a host, and as many inspections

Result<UniqueFd> connect_to(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof(address.sun_path))
    return fail("the socket's path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(errno_text(errno));
  // A unix socket connects at once or not at all; EAGAIN is a full queue of connections.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return fail(errno_text(errno));
  }
  return fd;
}

Result<HelperReply> receive(int fd) {
  alignas(16) std::array<uint8_t, wire::kMaxCommandBytes> packet;
  const ssize_t size = ::recv(fd, packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (size < 0) return fail(errno_text(errno));
  if (size == 0) return fail("it hung up without an answer");
  const auto bytes = static_cast<size_t>(size);
  if (bytes > packet.size()) return fail("its answer is longer than 16 KiB");
  return wire::decode_helper_reply({packet.data(), bytes});
}

}  // namespace

struct HelperClient::State {
  struct Call {
    UniqueFd fd;  // closed after the handle that watches it
    std::optional<UvPoll> readable;
    std::optional<UvTimer> timer;
    std::string fault;  ///< known at once, told in the next turn of the loop
    Answer answer;
  };

  uv_loop_t* loop;
  std::filesystem::path socket;
  uint64_t next = 0;
  std::map<uint64_t, Call> calls;

  /// Nothing of this client may be touched after the answer: it may have been destroyed in it.
  void finish(uint64_t number, Result<HelperReply> reply) {
    auto call = calls.extract(number);
    if (call.empty()) return;
    if (!reply)
      reply = fail(fmt::format("helper at {}: {}", socket.native(), reply.error().message));
    const Answer answer = std::move(call.mapped().answer);
    call = {};
    answer(std::move(reply));
  }

  std::string begin(Call& call, uint64_t number, const Bytes& request) {
    auto connected = connect_to(socket);
    if (!connected) return connected.error().message;
    call.fd = std::move(*connected);
    // A helper that refuses this user has answered and hung up before it is asked: the answer is
    // still there.
    const ssize_t sent =
        ::send(call.fd.get(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EPIPE) return errno_text(errno);
    auto poll = UvPoll::make(loop, call.fd.get(), [this, number](int /*status*/, int /*events*/) {
      finish(number, receive(calls.at(number).fd.get()));
    });
    if (!poll) return poll.error().message;
    call.readable.emplace(std::move(*poll));
    call.readable->start(UV_READABLE | UV_DISCONNECT);
    return {};
  }
};

HelperClient::HelperClient(uv_loop_t* loop, std::filesystem::path socket)
    : state_(
          std::make_shared<State>(State{.loop = loop, .socket = std::move(socket), .calls = {}})) {}

HelperClient::~HelperClient() {
  state_->calls.clear();
}

void HelperClient::call(const HelperRequest& request, Answer answer) {
  const uint64_t number = state_->next++;
  auto& call = state_->calls[number];
  call.answer = std::move(answer);
  call.fault = state_->calls.size() > kMostCalls
                   ? "too many calls at once"
                   : state_->begin(call, number, wire::encode(request));
  State* state = state_.get();
  call.timer.emplace(state->loop, [state, number] {
    const std::string fault = state->calls.at(number).fault;
    state->finish(number, fail(fault.empty() ? "no answer within 2 s" : fault));
  });
  call.timer->start(call.fault.empty() ? kAnswerWithinMs : 0);
}

}  // namespace serin::agent
