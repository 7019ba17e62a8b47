#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "agent/recorder/file.h"
#include "agent/recorder/growth.h"
#include "agent/recorder/store.h"
#include "agent/recorder/writer.h"
#include "common/error.h"

// The input is a recorder file, whole or not; beyond that its text is taken for a name, for what
// the agent saved, and for a control group.

namespace {

using serin::agent::RecorderHead;

void check_head(const RecorderHead& head) {
  SERIN_VERIFY(head.used_cells() <= head.shard_cells);
  SERIN_VERIFY(head.class_names.size() == head.classes);
  SERIN_VERIFY(head.counter_names.size() == head.counters);
  SERIN_VERIFY(head.file_bytes() <= size_t{4} * 1024 * 1024);
}

/// Real files, in a folder that is a process's own: the names of its descriptors are links, so the
/// memory is copied into one file that is used again.
class OneFile {
 public:
  OneFile() {
    std::array<char, 32> name{"/tmp/serin-fuzz-XXXXXX"};
    SERIN_VERIFY(::mkdtemp(name.data()) != nullptr);
    folder_ = ::open(name.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    file_ = ::openat(folder_, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    SERIN_VERIFY(file_ >= 0);
  }
  void fill(std::string_view text) const {
    SERIN_VERIFY(::ftruncate(file_, 0) == 0);
    SERIN_VERIFY(::pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  [[nodiscard]] int folder() const { return folder_; }

 private:
  int folder_ = -1, file_ = -1;
};

void read_as_file(std::string_view text) {
  static const OneFile one;
  one.fill(text);
  auto file = serin::agent::RecorderFile::open(one.folder(), "file");
  if (!file || !*file) return;
  const RecorderHead& head = (*file)->head();
  check_head(head);
  std::vector<uint64_t> sums;
  if (!(*file)->read(sums)) return;
  SERIN_VERIFY(text.size() >= head.file_bytes());
  std::vector<uint64_t> before(sums.size());
  serin::agent::RecorderRules rules;
  rules.business.push_back({.place = 0, .metric = {serin::MetricSelector::parse("*").value()}});
  serin::agent::Tally tally;
  tally.business.resize(1);
  if (!add_growth(head, before, sums, rules, tally)) return;
  SERIN_VERIFY(tally.requests.latency.total() <= tally.requests.requests);
  SERIN_VERIFY(tally.requests.requests == requests_in(head, sums));
}

/// A head that is right but for what the input says, so that what lies behind the checks is met.
void read_as_head(std::span<const std::byte> bytes) {
  serin_recorder_header raw{};
  std::memcpy(raw.magic, SERIN_RECORDER_MAGIC, sizeof raw.magic);
  raw.version = SERIN_RECORDER_VERSION;
  raw.header_bytes = SERIN_RECORDER_HEADER_BYTES;
  raw.scale = SERIN_RECORDER_SCALE;
  raw.first_bucket = SERIN_RECORDER_FIRST_BUCKET;
  raw.columns = SERIN_RECORDER_COLUMNS;
  raw.outcomes = SERIN_OUTCOMES;
  constexpr size_t kFrom = offsetof(serin_recorder_header, boot_id);
  std::memcpy(reinterpret_cast<std::byte*>(&raw) + kFrom, bytes.data(),
              std::min(bytes.size(), sizeof raw - kFrom));
  raw.classes = bytes.empty() ? 1 : std::to_integer<uint32_t>(bytes.front()) % 20;
  raw.counters = bytes.size() < 2 ? 0 : std::to_integer<uint32_t>(bytes[1]) % 20;
  raw.shards = 1;
  raw.shard_cells =
      uint64_t{raw.classes} * SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS + raw.counters + 1;
  auto head = serin::agent::parse_recorder_head(std::as_bytes(std::span(&raw, 1)));
  if (head && *head) check_head(**head);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto bytes = std::as_bytes(std::span(data, size));
  if (auto head = serin::agent::parse_recorder_head(bytes); head && *head) check_head(**head);
  read_as_head(bytes);
  read_as_file(text);
  if (auto name = serin::agent::parse_recorder_name(text)) SERIN_VERIFY(name->pid > 0);
  if (auto saved = serin::agent::parse_saved(text, "boot"))
    SERIN_VERIFY(serin::agent::parse_saved(serin::agent::saved_text(*saved, "boot"), "boot"));
  serin::agent::unit_of(text, {"api.service"});
  return 0;
}
