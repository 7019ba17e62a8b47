#include "agent/rollback/gate.h"

#include <algorithm>

#include "schema/envelope.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

std::unexpected<Rejection> reject(Refusal refusal, std::string_view text) {
  return std::unexpected(Rejection{refusal, text});
}

}  // namespace

bool peer_allowed(uid_t peer, uid_t own, std::span<const uid_t> listed) {
  return peer == 0 || peer == own || std::ranges::find(listed, peer) != listed.end();
}

std::expected<OpenedRequest, Rejection> open_request(std::span<const uint8_t> packet,
                                                     size_t packet_bytes) {
  if (packet_bytes > wire::kMaxCommandBytes || packet_bytes != packet.size()) {
    return reject(Refusal::bad_request, "the request is longer than 16 KiB");
  }
  auto fault = wire::EnvelopeFault::none;
  const auto request = wire::view_helper_request(packet, fault);
  if (fault == wire::EnvelopeFault::unsupported) {
    return reject(Refusal::unsupported, "not a request that this version of Serin knows");
  }
  if (!request) return reject(Refusal::bad_request, "the request is torn or malformed");
  const bool executes = request->verb == HelperVerb::execute;
  if (executes == request->command.empty()) {
    return reject(Refusal::bad_request, "a command goes with execute, and only with it");
  }
  const bool named = is_service_name(request->service);
  if (!named && !(executes && request->service.empty())) {
    return reject(Refusal::bad_request, "not a service name");
  }
  return OpenedRequest{request->verb, request->service, request->command};
}

std::expected<std::span<const uint8_t>, Rejection> open_command(std::span<const uint8_t> envelope,
                                                                const KeyRing& keys) {
  auto fault = wire::EnvelopeFault::none;
  const auto signed_view = wire::view_signed(envelope, fault);
  if (fault == wire::EnvelopeFault::unsupported) {
    return reject(Refusal::unsupported, "not a signed command that this version of Serin knows");
  }
  if (!signed_view) return reject(Refusal::bad_request, "the signed command is torn or malformed");
  if (!keys.knows(signed_view->key_id)) {
    return reject(Refusal::key, "signed with a key that this host does not trust, or no longer");
  }
  if (!keys.verify_command(signed_view->key_id, signed_view->payload, signed_view->signature)) {
    return reject(Refusal::signature, "the signature does not fit the command");
  }
  return signed_view->payload;
}

}  // namespace serin::helper
