#include "agent/request/timeline.h"

#include <algorithm>
#include <ranges>

namespace serin::agent {

uint32_t Timeline::begin(std::string generation, std::string version, int64_t start_us) {
  if (!spans_.empty()) start_us = std::max(start_us, spans_.back().start_us);
  spans_.push_back({.id = next_id_++,
                    .generation = std::move(generation),
                    .version = std::move(version),
                    .start_us = start_us});
  if (spans_.size() > kMaxSpans) spans_.pop_front();
  return spans_.back().id;
}

void Timeline::name_version(uint32_t id, std::string version) {
  auto span = std::ranges::find(spans_, id, &Span::id);
  if (span != spans_.end()) span->version = std::move(version);
}

const Timeline::Span* Timeline::at(int64_t begin_us) const {
  for (const auto& span : std::views::reverse(spans_))
    if (span.start_us <= begin_us) return &span;
  return spans_.empty() ? nullptr : &spans_.front();
}

const Timeline::Span* Timeline::of_version(std::string_view version) const {
  for (const auto& span : std::views::reverse(spans_))
    if (!span.generation.empty() && span.version == version) return &span;
  return nullptr;
}

const Timeline::Span* Timeline::by_id(uint32_t id) const {
  for (const auto& span : std::views::reverse(spans_))
    if (span.id == id) return &span;
  return nullptr;
}

}  // namespace serin::agent
