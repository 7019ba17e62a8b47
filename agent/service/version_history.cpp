#include "agent/service/version_history.h"

#include <cstdlib>

namespace serin::agent {

void VersionHistory::note(VersionValue value) {
  if (!values_.empty() && values_.back() == value) return;
  values_.push_back(std::move(value));
  if (values_.size() > kMaxValues) values_.pop_front();
}

std::optional<VersionHistory::Found> VersionHistory::as_of(int64_t start_us) const {
  const VersionValue* best = nullptr;
  bool ambiguous = false;
  const VersionValue* before = nullptr;
  for (const auto& value : values_) {
    bool changed = before == nullptr || before->version != value.version;
    bool close = std::abs(value.since_us - start_us) < kAmbiguousUs;
    ambiguous = ambiguous || (changed && close);
    if (value.since_us <= start_us || (best == nullptr && close)) best = &value;
    before = &value;
  }
  if (best == nullptr) return std::nullopt;
  return Found{.version = best->version, .ambiguous = ambiguous};
}

}  // namespace serin::agent
