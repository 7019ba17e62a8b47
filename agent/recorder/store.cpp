#include "agent/recorder/store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <iterator>

#include "agent/request/checksum.h"

namespace serin::agent {
namespace {

/// 256 files of as many counters as are ever in use together; a longer text is not kept.
constexpr size_t kMostBytes = size_t{4} * 1024 * 1024;
constexpr size_t kMostCells =
    SERIN_RECORDER_MOST_CLASSES * RecorderHead::kOutcomes * RecorderHead::kColumns +
    SERIN_RECORDER_MOST_COUNTERS + 1;
constexpr std::string_view kMagic = "serin-recorder-1";

std::string_view next(std::string_view& rest, char separator) {
  size_t end = rest.find(separator);
  std::string_view field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return field;
}

template <typename Number>
bool take(std::string_view& rest, char separator, Number& value) {
  std::string_view field = next(rest, separator);
  auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return !field.empty() && error == std::errc{} && end == field.data() + field.size();
}

bool take_known(std::string_view line, RecorderStore::Known& known) {
  known.name = next(line, ' ');
  size_t cells = 0, cell = 0;
  if (!parse_recorder_name(known.name) || !take(line, ' ', known.identity.device) ||
      !take(line, ' ', known.identity.inode) || !take(line, ' ', cells) || cells > kMostCells)
    return false;
  known.sums.resize(cells);
  while (!line.empty())
    if (!take(line, ':', cell) || cell >= cells || !take(line, ' ', known.sums[cell])) return false;
  return true;
}

}  // namespace

std::string saved_text(const RecorderStore::Saved& saved, std::string_view boot_id) {
  std::string text = fmt::format("{} {} {}\n", kMagic, boot_id, saved.boot_us);
  for (const auto& known : saved.files) {
    fmt::format_to(std::back_inserter(text), "{} {} {} {}", known.name, known.identity.device,
                   known.identity.inode, known.sums.size());
    for (size_t cell = 0; cell < known.sums.size(); ++cell)
      if (known.sums[cell] != 0)
        fmt::format_to(std::back_inserter(text), " {}:{}", cell, known.sums[cell]);
    text += '\n';
  }
  return text;
}

std::optional<RecorderStore::Saved> parse_saved(std::string_view text, std::string_view boot_id) {
  std::string_view head = next(text, '\n');
  RecorderStore::Saved saved;
  if (next(head, ' ') != kMagic || next(head, ' ') != boot_id || !take(head, ' ', saved.boot_us))
    return std::nullopt;
  while (!text.empty()) {
    if (saved.files.size() == SERIN_RECORDER_MOST_FILES) return std::nullopt;
    if (!take_known(next(text, '\n'), saved.files.emplace_back())) return std::nullopt;
  }
  return saved;
}

Result<RecorderStore> RecorderStore::open(const std::filesystem::path& file,
                                          std::string_view boot_id) {
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd)
    return fail(fmt::format("{}: {}; the agent keeps there what it has read from recorders",
                            file.string(), errno_text(errno)));
  return RecorderStore(std::move(fd), std::string(boot_id));
}

std::optional<RecorderStore::Saved> RecorderStore::load() {
  ::lseek(fd_.get(), 0, SEEK_SET);
  auto text = read_all(fd_.get(), kMostBytes, "saved counters");
  if (!text) return std::nullopt;
  std::string_view body = *text;
  size_t size = 0;
  std::string_view sum = next(body, ' ');
  if (!take(body, '\n', size) || size > body.size()) return std::nullopt;
  body = body.substr(0, size);  // behind it may lie the rest of a longer text before
  return sum == checksum(body) ? parse_saved(body, boot_id_) : std::nullopt;
}

void RecorderStore::save(const Saved& saved) {
  std::string body = saved_text(saved, boot_id_);
  std::string text = fmt::format("{} {}\n{}", checksum(body), body.size(), body);
  if (text.size() > kMostBytes ||
      ::pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    ++failures_;
}

}  // namespace serin::agent
