#include "agent/request/tail_store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "agent/request/checksum.h"
#include "common/ids.h"

namespace serin::agent {
namespace {

constexpr size_t kMaxRecordBytes = 8192;  // a path is at most 4096 bytes
constexpr std::string_view kMagic = "serin-tail-1";

std::string_view next_field(std::string_view& rest, char separator) {
  size_t end = rest.find(separator);
  std::string_view field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return field;
}

bool read_number(std::string_view& rest, uint64_t& value) {
  std::string_view field = next_field(rest, ' ');
  auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return !field.empty() && error == std::errc{} && end == field.data() + field.size();
}

}  // namespace

Result<TailStore> TailStore::open(const std::filesystem::path& file, std::string_view boot_id) {
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd)
    return fail(fmt::format("{}: {}; the agent keeps its places in logs there", file.string(),
                            errno_text(errno)));
  return TailStore(std::move(fd), std::string(boot_id));
}

std::optional<TailStore::Record> TailStore::load() {
  std::string text(kMaxRecordBytes, '\0');
  ssize_t got = ::pread(fd_.get(), text.data(), text.size(), 0);
  if (got <= 0) return std::nullopt;
  std::string_view rest(text.data(), static_cast<size_t>(got));
  std::string_view sum = next_field(rest, ' ');
  rest = rest.substr(0, rest.find('\n'));
  if (sum != checksum(rest)) return std::nullopt;
  Record record;
  if (next_field(rest, ' ') != kMagic || next_field(rest, ' ') != boot_id_) return std::nullopt;
  if (!read_number(rest, record.boot_us) || !read_number(rest, record.position.device) ||
      !read_number(rest, record.position.inode) || !read_number(rest, record.position.offset))
    return std::nullopt;
  auto fingerprint = from_hex(next_field(rest, ' '));
  if (!fingerprint) return std::nullopt;
  record.position.fingerprint.assign(fingerprint->begin(), fingerprint->end());
  record.path = rest;
  return record;
}

void TailStore::save(const Record& record) {
  const auto& at = record.position;
  std::string body =
      fmt::format("{} {} {} {} {} {} {} {}", kMagic, boot_id_, record.boot_us, at.device, at.inode,
                  at.offset, hex(as_bytes(at.fingerprint)), record.path);
  std::string text = checksum(body) + " " + body + "\n";
  if (text.size() > kMaxRecordBytes) return;
  if (::pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    ++failures_;
}

}  // namespace serin::agent
