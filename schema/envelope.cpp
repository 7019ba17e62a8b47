#include "schema/envelope.h"

#include <flatbuffers/flatbuffers.h>

#include "helper_generated.h"
#include "schema/wire.h"
#include "signed_generated.h"

namespace serin::wire {
namespace {

constexpr size_t kLeastBytes = 8;  ///< root offset and identifier
constexpr uint32_t kDepth = 4;     ///< one table, its strings and vectors
constexpr uint32_t kTables = 4;

template <typename Table>
const Table* verified_root(std::span<const uint8_t> bytes, const char* identifier,
                           EnvelopeFault& fault) {
  fault = EnvelopeFault::malformed;
  if (bytes.size() < kLeastBytes || bytes.size() > kMaxCommandBytes) return nullptr;
  if (!flatbuffers::BufferHasIdentifier(bytes.data(), identifier)) {
    fault = EnvelopeFault::unsupported;
    return nullptr;
  }
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), kDepth, kTables);
  if (!verifier.VerifyBuffer<Table>(identifier)) return nullptr;
  fault = EnvelopeFault::none;
  return flatbuffers::GetRoot<Table>(bytes.data());
}

std::span<const uint8_t> view(const flatbuffers::Vector<uint8_t>* from) {
  if (from == nullptr) return {};
  return {from->data(), from->size()};
}

std::string_view view(const flatbuffers::String* from) {
  if (from == nullptr) return {};
  return {from->c_str(), from->size()};
}

}  // namespace

std::optional<HelperRequestView> view_helper_request(std::span<const uint8_t> bytes,
                                                     EnvelopeFault& fault) {
  const auto* root =
      verified_root<fbs::HelperRequest>(bytes, fbs::HelperRequestIdentifier(), fault);
  if (root == nullptr) return std::nullopt;
  if (root->verb() > fbs::HelperVerb::MAX) {
    fault = EnvelopeFault::unsupported;
    return std::nullopt;
  }
  return HelperRequestView{.verb = static_cast<HelperVerb>(root->verb()),
                           .service = view(root->service()),
                           .command = view(root->command())};
}

std::optional<SignedView> view_signed(std::span<const uint8_t> bytes, EnvelopeFault& fault) {
  const auto* root = verified_root<fbs::Signed>(bytes, fbs::SignedIdentifier(), fault);
  if (root == nullptr) return std::nullopt;
  return SignedView{.key_id = view(root->key_id()),
                    .payload = view(root->payload()),
                    .signature = view(root->signature())};
}

}  // namespace serin::wire
