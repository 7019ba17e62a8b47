#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/ids.h"

namespace serin {

/// What a signature covers: this prefix, then the payload's bytes as they are.
inline constexpr std::string_view kCommandSignaturePrefix = "serin/command/1\n";
/// The longest payload that is signed or verified: the largest message of the stream of commands.
inline constexpr size_t kMostSignedBytes = size_t{16} * 1024;

/// Ed25519 key pair. Files are PEM (PKCS#8 private, SPKI public). The private key file must not be
/// readable by group or others.
class SigningKey {
 public:
  static Result<SigningKey> generate();
  static Result<SigningKey> load(const std::filesystem::path& file);
  /// Writes `file` with mode 0600 (never over an existing one) and `file`.pub with mode 0644.
  [[nodiscard]] Result<void> save(const std::filesystem::path& file) const;
  [[nodiscard]] std::array<uint8_t, 64> sign_command(std::span<const uint8_t> payload) const;
  /// First 8 bytes of SHA-256 of the raw public key, hex.
  [[nodiscard]] const std::string& key_id() const { return key_id_; }
  [[nodiscard]] std::string public_pem() const;

 private:
  SigningKey(const std::array<uint8_t, 32>& private_raw, const std::array<uint8_t, 32>& public_raw);

  std::array<uint8_t, 32> private_raw_;
  std::array<uint8_t, 32> public_raw_;
  std::string key_id_;
};

/// The public keys a host trusts: every *.pub in a folder, less the key ids listed in the file
/// `revoked` there.
class KeyRing {
 public:
  /// An unreadable or malformed file, or one that group or others may write, is left out and named
  /// in `problems`; an absent folder is an empty ring. When `revoked` is there and cannot be read,
  /// no key is trusted.
  static KeyRing load(const std::filesystem::path& folder);
  /// False for an unknown or revoked key id, a wrong length or a wrong signature.
  [[nodiscard]] bool verify_command(std::string_view key_id, std::span<const uint8_t> payload,
                                    std::span<const uint8_t> signature) const;
  [[nodiscard]] bool knows(std::string_view key_id) const { return keys_.contains(key_id); }
  [[nodiscard]] size_t size() const { return keys_.size(); }
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  void add(const std::filesystem::path& file);
  void drop_revoked(const std::filesystem::path& list);

  std::map<std::string, std::array<uint8_t, 32>, std::less<>> keys_;
  std::vector<std::string> problems_;
};

}  // namespace serin
