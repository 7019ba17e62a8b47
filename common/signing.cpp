#include "common/signing.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <set>

#include "common/file.h"

namespace serin {
namespace {

/// A PEM file of one Ed25519 key has about 120 bytes; comments before it are fine.
constexpr size_t kMostKeyFileBytes = size_t{8} * 1024;
/// Some hundred thousand revoked keys: nobody has them.
constexpr size_t kMostRevokedBytes = size_t{4} * 1024 * 1024;
/// Each signature check costs ~0.1 ms whatever the ring holds; the limit is against a folder gone
/// wrong.
constexpr size_t kMostKeys = 256;
constexpr size_t kKeyIdBytes = 8;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;
using Bio = std::unique_ptr<BIO, Free>;
using Raw = std::array<uint8_t, 32>;

/// What is signed, in one piece as Ed25519 needs it, on the stack: the helper checks what a
/// stranger may have sent and allocates nothing for it.
struct Signed {
  std::array<uint8_t, kCommandSignaturePrefix.size() + kMostSignedBytes> bytes;
  size_t size = 0;

  explicit Signed(std::span<const uint8_t> payload) {
    const auto end =
        std::copy(kCommandSignaturePrefix.begin(), kCommandSignaturePrefix.end(), bytes.begin());
    size = static_cast<size_t>(std::copy(payload.begin(), payload.end(), end) - bytes.begin());
  }
};

/// OpenSSL would ask on the terminal for the password of an encrypted key.
int no_password(char*, int, int, void*) {
  return 0;
}

Raw raw_public(const EVP_PKEY& key) {
  Raw raw{};
  size_t size = raw.size();
  SERIN_VERIFY(EVP_PKEY_get_raw_public_key(&key, raw.data(), &size) == 1 && size == raw.size());
  return raw;
}

Raw raw_private(const EVP_PKEY& key) {
  Raw raw{};
  size_t size = raw.size();
  SERIN_VERIFY(EVP_PKEY_get_raw_private_key(&key, raw.data(), &size) == 1 && size == raw.size());
  return raw;
}

std::string id_of(const Raw& public_raw) {
  const auto digest = sha256(public_raw);
  return hex(std::span(digest).first(kKeyIdBytes));
}

Bio memory_of(std::string_view text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  SERIN_VERIFY(bio);
  return bio;
}

std::string text_of(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return {data, static_cast<size_t>(std::max(size, 0L))};
}

/// The key that the PEM reader found, or a line that says what is wrong; the error queue is left
/// empty.
Result<Key> only_ed25519(EVP_PKEY* read, const std::filesystem::path& file, std::string_view what) {
  Key key(read);
  ERR_clear_error();
  if (!key) {
    return fail(
        fmt::format("{} holds no {} key in PEM form without a password", file.native(), what));
  }
  if (EVP_PKEY_is_a(key.get(), "ED25519") != 1) {
    return fail(
        fmt::format("{} is not an Ed25519 key; make one with 'serinctl keys init'", file.native()));
  }
  return key;
}

/// systemd hands a credential over with an ACL for the service's user, which stat() shows as
/// "readable by group".
bool is_systemd_credential(const std::filesystem::path& file) {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  return folder != nullptr && *folder != '\0' && file.parent_path() == folder;
}

Result<std::string> read_private_file(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0) {
    return fail(
        fmt::format("cannot open the signing key {}: {}", file.native(), errno_text(errno)));
  }
  if (!S_ISREG(facts.st_mode)) return fail(fmt::format("{} is not a regular file", file.native()));
  const mode_t forbidden = is_systemd_credential(file) ? 0037 : 0077;
  if ((facts.st_mode & forbidden) != 0) {
    return fail(
        fmt::format("the signing key {} is open to group or others (mode {:04o}): chmod 600 it",
                    file.native(), static_cast<unsigned>(facts.st_mode & 07777)));
  }
  return read_all(fd.get(), kMostKeyFileBytes, file.native());
}

/// Writes a file that must not exist yet, and makes it last.
Result<void> write_new_file(const std::filesystem::path& file, std::string_view text, mode_t mode) {
  const UniqueFd fd(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd && errno == EEXIST) {
    return fail(
        fmt::format("{} exists already and is not overwritten; move it away first", file.native()));
  }
  if (!fd) return fail(fmt::format("cannot create {}: {}", file.native(), errno_text(errno)));
  auto written = write_all(fd.get(), text, file.native());
  if (written && (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0)) {
    written = fail(fmt::format("cannot finish {}: {}", file.native(), errno_text(errno)));
  }
  if (!written) ::unlink(file.c_str());
  return written;
}

std::string private_pem(const Raw& private_raw) {
  const Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, private_raw.data(),
                                             private_raw.size()));
  const Bio bio(BIO_new(BIO_s_secmem()));
  SERIN_VERIFY(key && bio);
  SERIN_VERIFY(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                             nullptr) == 1);
  return text_of(*bio);
}

Result<Raw> load_public(const std::filesystem::path& file) {
  struct stat facts{};
  if (::stat(file.c_str(), &facts) == 0 && (facts.st_mode & 0022) != 0) {
    return fail(fmt::format("{} can be written by group or others: chmod 644 it", file.native()));
  }
  auto text = read_file(file, kMostKeyFileBytes);
  if (!text) return std::unexpected(text.error());
  const Bio bio = memory_of(*text);
  auto key =
      only_ed25519(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr), file, "public");
  if (!key) return std::unexpected(key.error());
  return raw_public(**key);
}

bool is_key_id(std::string_view text) {
  return text.size() == 2 * kKeyIdBytes && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// One key id a line; `#` begins a comment. What is no key id goes to `problems`.
std::set<std::string, std::less<>> revoked_in(std::string_view text,
                                              const std::filesystem::path& file,
                                              std::vector<std::string>& problems) {
  std::set<std::string, std::less<>> ids;
  int number = 0;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ++number;
    line = line.substr(0, line.find('#'));
    const auto first = line.find_first_not_of(" \t\r");
    if (first == line.npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    if (is_key_id(line)) {
      ids.emplace(line);
    } else {
      problems.push_back(
          fmt::format("{}:{}: not a key id (16 hex digits in lower case)", file.native(), number));
    }
  }
  return ids;
}

}  // namespace

SigningKey::SigningKey(const Raw& private_raw, const Raw& public_raw)
    : private_raw_(private_raw), public_raw_(public_raw), key_id_(id_of(public_raw)) {}

Result<SigningKey> SigningKey::generate() {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!key) return fail("OpenSSL cannot make an Ed25519 key");
  return SigningKey(raw_private(*key), raw_public(*key));
}

Result<SigningKey> SigningKey::load(const std::filesystem::path& file) {
  auto text = read_private_file(file);
  if (!text) return std::unexpected(text.error());
  const Bio bio = memory_of(*text);
  auto key = only_ed25519(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr), file,
                          "private");
  OPENSSL_cleanse(text->data(), text->size());
  if (!key) return std::unexpected(key.error());
  return SigningKey(raw_private(**key), raw_public(**key));
}

Result<void> SigningKey::save(const std::filesystem::path& file) const {
  auto public_file = file;
  public_file += ".pub";
  std::string text = private_pem(private_raw_);
  auto saved = write_new_file(file, text, 0600);
  OPENSSL_cleanse(text.data(), text.size());
  if (!saved) return saved;
  saved = write_new_file(public_file, public_pem(), 0644);
  if (saved) return sync_folder(file.has_parent_path() ? file.parent_path() : ".");
  ::unlink(file.c_str());
  return saved;
}

std::string SigningKey::public_pem() const {
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_raw_.data(),
                                            public_raw_.size()));
  const Bio bio(BIO_new(BIO_s_mem()));
  SERIN_VERIFY(key && bio && PEM_write_bio_PUBKEY(bio.get(), key.get()) == 1);
  return text_of(*bio);
}

std::array<uint8_t, 64> SigningKey::sign_command(std::span<const uint8_t> payload) const {
  SERIN_VERIFY(payload.size() <= kMostSignedBytes);
  const Signed text(payload);
  const Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, private_raw_.data(),
                                             private_raw_.size()));
  const Context context(EVP_MD_CTX_new());
  SERIN_VERIFY(key && context);
  SERIN_VERIFY(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  std::array<uint8_t, 64> signature{};
  size_t size = signature.size();
  SERIN_VERIFY(
      EVP_DigestSign(context.get(), signature.data(), &size, text.bytes.data(), text.size) == 1);
  SERIN_VERIFY(size == signature.size());
  return signature;
}

KeyRing KeyRing::load(const std::filesystem::path& folder) {
  KeyRing ring;
  std::error_code error;
  if (!std::filesystem::exists(folder, error) && !error) return ring;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".pub") files.push_back(it->path());
  }
  if (error) {
    ring.problems_.push_back(fmt::format("cannot read {}: {}", folder.native(), error.message()));
    return ring;
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) ring.add(file);
  ring.drop_revoked(folder / "revoked");
  return ring;
}

void KeyRing::add(const std::filesystem::path& file) {
  if (keys_.size() >= kMostKeys) {
    problems_.push_back(fmt::format("{} is left out: more than {} keys", file.native(), kMostKeys));
    return;
  }
  const auto key = load_public(file);
  if (key) {
    keys_[id_of(*key)] = *key;
  } else {
    problems_.push_back(key.error().message);
  }
}

void KeyRing::drop_revoked(const std::filesystem::path& list) {
  std::error_code error;
  if (std::filesystem::symlink_status(list, error).type() ==
      std::filesystem::file_type::not_found) {
    return;
  }
  const auto text = read_file(list, kMostRevokedBytes);
  if (!text) {
    // Which keys are stolen is not known then, so none is trusted.
    problems_.push_back(fmt::format("no key is trusted: {}", text.error().message));
    keys_.clear();
    return;
  }
  for (const auto& id : revoked_in(*text, list, problems_)) keys_.erase(id);
}

bool KeyRing::verify_command(std::string_view key_id, std::span<const uint8_t> payload,
                             std::span<const uint8_t> signature) const {
  const auto found = keys_.find(key_id);
  if (found == keys_.end() || signature.size() != 64 || payload.size() > kMostSignedBytes) {
    return false;
  }
  const Signed text(payload);
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, found->second.data(),
                                            found->second.size()));
  const Context context(EVP_MD_CTX_new());
  SERIN_VERIFY(key && context);
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), text.bytes.data(),
                       text.size) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace serin
