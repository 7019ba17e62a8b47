#include "aggregator/core/facts.h"

#include <algorithm>

#include "schema/fact.h"

namespace serin::core {

FactTexts::Text FactTexts::keep(std::string_view text) {
  if (auto known = texts_.find(text); known != texts_.end()) return *known;
  if (texts_.size() >= look_at_) {
    std::erase_if(texts_, [](const Text& kept) { return kept.use_count() == 1; });
    look_at_ = std::max(kLeastLook, 2 * texts_.size());
  }
  return *texts_.insert(std::make_shared<const std::string>(text)).first;
}

bool Facts::take(const Event& event, FactTexts& texts) {
  if (event.from.agent_start_us != agent_start_us_) {
    // The numbers of another incarnation say nothing about these.
    agent_start_us_ = event.from.agent_start_us;
    all_sequence_ = 0;
    for (Fact& fact : facts_) fact.sequence = 0;
  }
  const uint64_t sequence = event.from.sequence;
  if (sequence < all_sequence_) return false;
  bool changed = event.step == fact::kAll && begin_anew(event);
  for (const auto& [name, value] : event.facts) {
    if (set(name, value, sequence, texts)) changed = true;
  }
  return changed;
}

/// What the event names stays until it is set, so that an unchanged fact does not look like a
/// change.
bool Facts::begin_anew(const Event& event) {
  all_sequence_ = event.from.sequence;
  // Parts that were sent after it and came before it hold.
  return std::erase_if(facts_, [&](const Fact& known) {
           return known.sequence <= all_sequence_ &&
                  std::ranges::find(event.facts, *known.name,
                                    &std::pair<std::string, std::string>::first) ==
                      event.facts.end();
         }) > 0;
}

bool Facts::set(const std::string& name, const std::string& value, uint64_t sequence,
                FactTexts& texts) {
  auto at = std::ranges::lower_bound(facts_, std::string_view(name), {}, [](const Fact& known) {
    return std::string_view(*known.name);
  });
  const bool known = at != facts_.end() && *at->name == name;
  if (known && sequence < at->sequence) return false;
  if (value.empty()) {
    if (known) facts_.erase(at);
    return known;
  }
  if (value.size() > fact::kValueBytes || (!known && facts_.size() >= fact::kMost)) {
    ++refused_;
    return false;
  }
  if (!known) {
    facts_.insert(at, {texts.keep(name), texts.keep(value), sequence});
    return true;
  }
  at->sequence = sequence;
  if (*at->value == value) return false;
  at->value = texts.keep(value);
  return true;
}

const std::string* Facts::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(
      facts_, name, {}, [](const Fact& known) { return std::string_view(*known.name); });
  return at != facts_.end() && *at->name == name ? at->value.get() : nullptr;
}

const std::string* Facts::value(std::string_view name) const {
  const std::string* found = find(name);
  return found != nullptr && !fact::is_absent(*found) ? found : nullptr;
}

}  // namespace serin::core
