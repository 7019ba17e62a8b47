// Everything that the root helper does with a stranger's bytes before a signature holds. The first
// byte chooses: the bytes as a packet, or as a signed command inside a sound packet. Nothing may
// pass that the key did not sign.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/rollback/gate.h"
#include "schema/wire.h"

namespace {

using namespace serin;

/// A ring with one key, whose private half is known to nobody.
const KeyRing& ring() {
  static const KeyRing keys = [] {
    std::string folder = (std::filesystem::temp_directory_path() / "serin-fuzz-XXXXXX").native();
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    std::ofstream(folder + "/a.pub") << SigningKey::generate()->public_pem();
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
  if (!request->service.empty() && !is_service_name(request->service)) std::abort();
  if (request->verb == HelperVerb::execute && helper::open_command(request->command, ring())) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  if (data[0] % 2 == 0) {
    knock(rest);
  } else if (rest.size() < wire::kMaxCommandBytes - 128) {
    knock(wire::encode(HelperRequest{
        .verb = HelperVerb::execute, .service = {}, .command = Bytes(rest.begin(), rest.end())}));
  }
  return 0;
}
