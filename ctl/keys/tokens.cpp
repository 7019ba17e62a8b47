#include "ctl/keys/tokens.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <vector>

#include "common/config.h"
#include "common/file.h"
#include "common/ids.h"
#include "schema/limits.h"
#include "schema/text.h"

namespace serin::ctl {
namespace {

constexpr size_t kTokenBytes = 32;  // as hard to guess as the SHA-256 that is kept of it
constexpr size_t kMostFileBytes = size_t{1} << 20;  // thousands of tokens; more is not such a file

/// Two people who add a token at one time: the second waits for the first. The lock is on the
/// folder, since the file itself is replaced.
Result<UniqueFd> lock_folder_of(const std::filesystem::path& file) {
  const auto folder = file.parent_path().empty() ? "." : file.parent_path();
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) {
    return fail(fmt::format("cannot open the folder {}: {}", folder.native(), errno_text(errno)));
  }
  return fd;
}

/// The names in the file, which must be one that the aggregator would read.
Result<std::set<std::string>> names_in(const std::string& text, const std::filesystem::path& file) {
  auto root = ConfigTable::parse_text(text, file.native());
  if (!root) return std::unexpected(root.error());
  std::set<std::string> names;
  for (ConfigTable& token : root->tables("token")) {
    names.insert(token.string("name").value_or(""));
    token.string("role");
    token.string("sha256");
  }
  if (auto finished = root->finish(); !finished) return std::unexpected(finished.error());
  return names;
}

std::string unused_name(const std::string& role, const std::set<std::string>& taken) {
  for (size_t n = 1;; ++n) {
    std::string name = fmt::format("{}-{}", role, n);
    if (!taken.contains(name)) return name;
  }
}

/// A TOML basic string. The name holds no control characters (checked before).
std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string random_hex(size_t bytes) {
  Bytes random(bytes);
  SERIN_VERIFY(RAND_bytes(random.data(), static_cast<int>(random.size())) == 1);
  return hex(random);
}

Result<NewToken> add_token(const std::filesystem::path& file, const std::string& role,
                           std::string name) {
  if (name.size() > limits::kNameBytes || !is_plain_text(name)) {
    return fail(
        fmt::format("the name of a token is plain text of at most {} bytes", limits::kNameBytes));
  }
  const auto lock = lock_folder_of(file);
  if (!lock) return std::unexpected(lock.error());
  struct stat facts {};
  const bool exists = ::stat(file.c_str(), &facts) == 0;
  auto text = exists ? read_file(file, kMostFileBytes) : Result<std::string>("");
  if (!text) return std::unexpected(text.error());
  const auto taken = names_in(*text, file);
  if (!taken) return std::unexpected(taken.error());
  if (!name.empty() && taken->contains(name)) {
    return fail(fmt::format("{} holds a token named \"{}\" already; choose another name",
                            file.native(), name));
  }
  NewToken made{.name = name.empty() ? unused_name(role, *taken) : std::move(name),
                .token = random_hex(kTokenBytes),
                .role = role};
  if (!text->empty() && !text->ends_with('\n')) *text += '\n';
  if (!text->empty()) *text += '\n';
  *text += fmt::format("[[token]]\nname = {}\nrole = \"{}\"\nsha256 = \"{}\"\n",
                       toml_text(made.name), made.role, hex(sha256(as_bytes(made.token))));
  if (auto written = write_file_atomically(file, *text, 0600); !written) {
    return std::unexpected(written.error());
  }
  return made;
}

}  // namespace serin::ctl
