#include "agent/service/version_journal.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <optional>

#include "common/file.h"
#include "common/ids.h"

namespace serin::agent {
namespace {

constexpr size_t kMaxJournalBytes = 1 << 20;
constexpr size_t kFields = 10;

std::string line_of(const std::string& service, const GenerationRecord& r) {
  return fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", service, r.generation, r.version,
                     r.previous, r.artefact, name(r.kind), name(r.cause),
                     r.same_name ? "same_name" : "-", r.ambiguous ? "ambiguous" : "-", r.start_us);
}

std::optional<std::pair<std::string, GenerationRecord>> parse_line(std::string_view line) {
  std::array<std::string_view, kFields> field;
  for (size_t i = 0; i < kFields; ++i) {
    size_t end = line.find('\t');
    if ((end == std::string_view::npos) != (i + 1 == kFields)) return std::nullopt;
    field[i] = line.substr(0, end);
    if (end != std::string_view::npos) line.remove_prefix(end + 1);
  }
  auto kind = event_kind_from(field[5]);
  auto cause = cause_from(field[6]);
  int64_t start_us = 0;
  auto [end, error] = std::from_chars(field[9].data(), field[9].data() + field[9].size(), start_us);
  if (!kind || !cause || error != std::errc{} || end != field[9].data() + field[9].size() ||
      !is_service_name(field[0]) || !is_version(field[2]))
    return std::nullopt;
  return std::pair(std::string(field[0]), GenerationRecord{.generation = std::string(field[1]),
                                                           .version = std::string(field[2]),
                                                           .previous = std::string(field[3]),
                                                           .artefact = std::string(field[4]),
                                                           .kind = *kind,
                                                           .cause = *cause,
                                                           .same_name = field[7] == "same_name",
                                                           .ambiguous = field[8] == "ambiguous",
                                                           .start_us = start_us});
}

}  // namespace

VersionJournal VersionJournal::load(const std::filesystem::path& file) {
  VersionJournal journal;
  journal.file_ = file;
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return journal;
  auto text = read_file(file, kMaxJournalBytes);
  if (!text) {
    journal.problem_ = text.error().message;
    return journal;
  }
  std::string_view rest = *text;
  for (size_t number = 1; !rest.empty(); ++number) {
    size_t end = rest.find('\n');
    auto entry = parse_line(rest.substr(0, end));
    if (entry) {
      journal.records_.insert_or_assign(entry->first, std::move(entry->second));
    } else {
      journal.problem_ = fmt::format(
          "{} line {}: damaged, left out; the version before the running one is forgotten",
          file.string(), number);
    }
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return journal;
}

const GenerationRecord* VersionJournal::last(const std::string& service) const {
  auto it = records_.find(service);
  return it == records_.end() ? nullptr : &it->second;
}

Result<void> VersionJournal::put(const std::string& service, GenerationRecord record) {
  records_.insert_or_assign(service, std::move(record));
  if (file_.empty()) return {};
  std::string text;
  for (const auto& [name, entry] : records_) text += line_of(name, entry);
  // Not synced: this stands on the loop between two samples. What a power cut takes is only
  // `previous`, and that is known again after the next version.
  return write_file_atomically(file_, text, 0600, Durability::crash);
}

}  // namespace serin::agent
