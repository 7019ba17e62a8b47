#include "agent/rollback/standing.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "agent/rollback/state_file.h"
#include "common/ids.h"

namespace serin::helper {
namespace {

constexpr const char* kFolder = "confirmed";
constexpr size_t kMostWords = 32;  // versions of one service that are remembered

constexpr std::string_view kConfirmed = "confirmed", kCondemned = "condemned";

/// "<issued> confirmed|condemned <version>"; a version may hold spaces.
std::optional<Word> word_from(std::string_view line) {
  Word word;
  const auto [rest, fault] =
      std::from_chars(line.data(), line.data() + line.size(), word.issued_us);
  if (fault != std::errc() || word.issued_us < 0) return std::nullopt;
  line.remove_prefix(static_cast<size_t>(rest - line.data()));
  word.confirmed = line.starts_with(fmt::format(" {} ", kConfirmed));
  if (!word.confirmed && !line.starts_with(fmt::format(" {} ", kCondemned))) return std::nullopt;
  word.version = line.substr(kConfirmed.size() + 2);
  if (!is_version(word.version)) return std::nullopt;
  return word;
}
static_assert(kConfirmed.size() == kCondemned.size());

}  // namespace

Standing::Standing(const Settings& settings, std::string service)
    : folder_(settings.state / kFolder), service_(std::move(service)) {
  std::istringstream lines(read_state_file(folder_, service_));
  for (std::string line; std::getline(lines, line) && words_.size() < kMostWords;) {
    if (auto word = word_from(line)) words_.push_back(std::move(*word));
  }
}

const Word* Standing::of(const std::string& version) const {
  const auto found = std::ranges::find(words_, version, &Word::version);
  return found == words_.end() ? nullptr : &*found;
}

bool Standing::is_confirmed(const std::string& version) const {
  const Word* word = of(version);
  return word != nullptr && word->confirmed;
}

bool Standing::is_condemned(const std::string& version) const {
  const Word* word = of(version);
  return word != nullptr && !word->confirmed;
}

std::string Standing::confirmed() const {
  const auto found = std::ranges::find(words_, true, &Word::confirmed);
  return found == words_.end() ? std::string() : found->version;
}

Result<bool> Standing::add(Word word) {
  if (const Word* known = of(word.version)) {
    if (known->issued_us > word.issued_us) return false;
    if (known->issued_us == word.issued_us && known->confirmed == word.confirmed) return true;
  }
  std::erase_if(words_, [&](const Word& each) { return each.version == word.version; });
  const auto place = std::ranges::find_if(
      words_, [&](const Word& each) { return each.issued_us <= word.issued_us; });
  words_.insert(place, std::move(word));
  if (words_.size() > kMostWords) words_.resize(kMostWords);
  std::string text;
  for (const Word& each : words_) {
    text += fmt::format("{} {} {}\n", each.issued_us, each.confirmed ? kConfirmed : kCondemned,
                        each.version);
  }
  if (auto written = write_state_file(folder_, service_, text); !written)
    return std::unexpected(written.error());
  return true;
}

}  // namespace serin::helper
