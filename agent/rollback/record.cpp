#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/rollback/journal.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

constexpr std::array<std::string_view, 13> kSteps = {
    "cancelled",    "accepted",      "preflight", "switched",      "restarted",
    "healthy",      "verified",      "failed",    "back_switched", "back_restarted",
    "back_healthy", "back_verified", "drilled"};
/// In the order of HelperTask.
constexpr std::array<std::string_view, 3> kTasks = {"signed", "drill", "dead_man"};

/// Takes the text up to the next `until` off the front.
std::string_view take(std::string_view& text, char until) {
  const size_t end = std::min(text.find(until), text.size());
  const auto front = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return front;
}

std::optional<JournalEntry> parse_entry(std::string_view line) {
  JournalEntry entry;
  const auto time = take(line, ' ');
  const auto [stop, fault] = std::from_chars(time.data(), time.data() + time.size(), entry.wall_us);
  if (fault != std::errc() || stop != time.data() + time.size()) return std::nullopt;
  entry.word = take(line, ' ');
  entry.text = line;
  if (entry.word.empty()) return std::nullopt;
  return entry;
}

}  // namespace

bool is_step(std::string_view word) {
  return std::ranges::find(kSteps, word) != kSteps.end();
}

std::string_view word_of(HelperTask task) {
  const auto index = static_cast<size_t>(task);
  SERIN_VERIFY(index < kTasks.size());
  return kTasks[index];
}

bool Record::finished() const {
  if (entries.empty()) return false;
  const std::string& last = entries.back().word;
  return last == "failed" || last == "cancelled" ||
         last == (task == HelperTask::drill ? "drilled" : "verified");
}

bool Record::failed() const {
  return finished() && (entries.back().word == "failed" || entries.back().word == "cancelled");
}

size_t Record::count(std::string_view word) const {
  return static_cast<size_t>(std::ranges::count(entries, word, &JournalEntry::word));
}

Result<Command> command_of(const Record& record) {
  if (record.task == HelperTask::dead_man) return wire::decode_command(record.envelope);
  const auto envelope = wire::decode_signed(record.envelope);
  if (!envelope) return std::unexpected(envelope.error());
  return wire::decode_command(envelope->payload);
}

Result<Record> parse_record(std::string_view text) {
  const size_t whole = text.size();
  Record record;
  auto head = take(text, '\n');
  if (take(head, ' ') != "serin-rollback/1") return fail("it does not begin with serin-rollback/1");
  record.id = take(head, ' ');
  record.service = head;
  auto body = take(text, '\n');
  const auto* task = std::ranges::find(kTasks, take(body, ' '));
  if (task == kTasks.end()) return fail("the command is missing");
  record.task = static_cast<HelperTask>(task - kTasks.begin());
  auto envelope = from_hex(body);
  if (!envelope) return std::unexpected(envelope.error());
  record.envelope = std::move(*envelope);
  if (!is_service_name(record.service) || record.id.empty()) return fail("the head is malformed");
  while (text.find('\n') != std::string_view::npos) {
    const size_t before = whole - text.size();
    auto entry = parse_entry(take(text, '\n'));
    if (!entry) {
      record.sound_bytes = before;
      break;
    }
    record.entries.push_back(std::move(*entry));
    record.sound_bytes = whole - text.size();
  }
  if (record.entries.empty()) return fail("no step is recorded");
  return record;
}

}  // namespace serin::helper
