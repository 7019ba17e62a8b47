#include "ctl/keys/keys.h"

#include "common/signing.h"

namespace serin::ctl {
namespace {

KeyFacts facts_of(const SigningKey& key, const std::filesystem::path& file) {
  return {.key_id = key.key_id(),
          .file = file,
          .public_file = file.native() + ".pub",
          .public_pem = key.public_pem()};
}

}  // namespace

Result<KeyFacts> make_key(const std::filesystem::path& file) {
  const auto key = SigningKey::generate();
  if (!key) return std::unexpected(key.error());
  if (auto saved = key->save(file); !saved) return std::unexpected(saved.error());
  return facts_of(*key, file);
}

Result<KeyFacts> look_at_key(const std::filesystem::path& file) {
  const auto key = SigningKey::load(file);
  if (!key) return std::unexpected(key.error());
  return facts_of(*key, file);
}

}  // namespace serin::ctl
