#include "schema/policy.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "schema/limits.h"
#include "schema/policy_fields.h"
#include "schema/text.h"

namespace serin {
namespace {

constexpr size_t kMostHosts = 1'000'000;

}  // namespace

const Policy& PolicySet::of(std::string_view service) const {
  const auto own = services.find(service);
  return own == services.end() ? fallback : own->second;
}

std::string rule_of(std::span<const std::string_view> words) {
  std::string rule = "must be";
  for (size_t i = 0; i < words.size(); ++i) {
    rule += i == 0 ? " \"" : i + 1 == words.size() ? " or \"" : ", \"";
    rule.append(words[i]).append("\"");
  }
  return rule;
}

std::optional<Stage> stage_from(std::string_view text) {
  double number = 0;
  const auto [end, code] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (code != std::errc() || !(number > 0)) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit == "%" && number <= 100) return Stage{.hosts = 0, .share = number / 100};
  const bool whole = std::floor(number) == number && number <= static_cast<double>(kMostHosts);
  if (whole && (unit == " host" || unit == " hosts"))
    return Stage{.hosts = static_cast<size_t>(number), .share = 0};
  return std::nullopt;
}

size_t Stage::of(size_t fleet) const {
  const auto wanted =
      hosts > 0 ? hosts
                : static_cast<size_t>(std::floor(share * static_cast<double>(fleet) + 1e-9));
  return std::clamp<size_t>(wanted, std::min<size_t>(1, fleet), fleet);
}

std::string_view fault_of_counter(std::string_view name, size_t counters_so_far) {
  if (name.empty() || name.size() > limits::kNameBytes || !is_plain_text(name)) {
    return "is not the name of a counter (1 to 128 bytes of plain text)";
  }
  if (counters_so_far >= kMostBusinessCounters) return "is one counter too many; 64 are allowed";
  return {};
}

bool stages_make_sense(const std::vector<std::string>& stages) {
  if (stages.empty() || stages.size() > kMostStages) return false;
  Stage last;
  for (const std::string& text : stages) {
    const auto stage = stage_from(text);
    if (!stage) return false;
    // Hosts and shares can only be compared once the fleet is known; shares come last, as they end
    // at all hosts.
    if (stage->hosts > 0 && (last.share > 0 || stage->hosts <= last.hosts)) return false;
    if (stage->share > 0 && stage->share <= last.share) return false;
    last = *stage;
  }
  return true;
}

}  // namespace serin
