// Everything that the root helper does with a stranger's bytes before a signature holds. The first
// byte chooses: the bytes as a packet, as a signed command inside a sound packet, or as the service
// of an unsigned verb. Nothing may pass that the key did not sign, and of what needs no signature
// nothing but a verb and the name of a service.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/rollback/gate.h"
#include "schema/wire.h"

namespace {

using namespace serin;

std::string trusted_key_id;

/// A ring with one key, whose private half is known to nobody.
const KeyRing& ring() {
  static const KeyRing keys = [] {
    std::string folder = (std::filesystem::temp_directory_path() / "serin-fuzz-XXXXXX").native();
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    const auto key = SigningKey::generate();
    trusted_key_id = key->key_id();
    std::ofstream(folder + "/a.pub") << key->public_pem();
    auto loaded = KeyRing::load(folder);
    std::filesystem::remove_all(folder);
    if (loaded.size() != 1) std::abort();
    return loaded;
  }();
  return keys;
}

void knock(std::span<const uint8_t> packet) {
  alignas(16) static std::array<uint8_t, wire::kMaxCommandBytes> received;
  const size_t kept = std::min(packet.size(), received.size());
  std::copy_n(packet.begin(), kept, received.begin());
  const auto request = helper::open_request({received.data(), kept}, packet.size());
  if (!request) {
    if (request.error().refusal == Refusal::none || request.error().text.empty()) std::abort();
    return;
  }
  if (request->verb == HelperVerb::execute) {
    if (!request->service.empty() && !is_service_name(request->service)) std::abort();
    if (helper::open_command(request->command, ring())) std::abort();
    return;
  }
  if (!is_service_name(request->service) || !request->command.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr size_t kRoomForEnvelopes = 256;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  const auto execute = [](Bytes command) {
    knock(wire::encode(
        HelperRequest{.verb = HelperVerb::execute, .service = {}, .command = std::move(command)}));
  };
  static_cast<void>(ring());
  if (data[0] % 4 == 0) {
    knock(rest);
  } else if (data[0] % 4 == 3) {
    const std::string service(rest.begin(), rest.end());
    for (const auto verb : {HelperVerb::status, HelperVerb::inspect, HelperVerb::dead_man})
      knock(wire::encode(HelperRequest{.verb = verb, .service = service, .command = {}}));
  } else if (rest.size() + kRoomForEnvelopes > wire::kMaxCommandBytes) {
    return 0;
  } else if (data[0] % 4 == 1) {
    execute(Bytes(rest.begin(), rest.end()));
  } else {
    const auto signature = rest.first(std::min<size_t>(rest.size(), 64));
    const auto payload = rest.subspan(signature.size());
    execute(wire::encode(SignedCommand{.key_id = trusted_key_id,
                                       .payload = Bytes(payload.begin(), payload.end()),
                                       .signature = Bytes(signature.begin(), signature.end())}));
  }
  return 0;
}
