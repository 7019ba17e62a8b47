#include "agent/request/class_rules.h"

#include <algorithm>

#include "schema/limits.h"

namespace serin::agent {

static_assert(ServiceFile::kMostClasses + 1 == limits::kClasses);

ClassRules ClassRules::of_fields(const ServiceFile& service) {
  ClassRules rules;
  for (const auto& one : service.classes) rules.add(one, one.field);
  return rules;
}

ClassRules ClassRules::of_labels(const ServiceFile& service) {
  ClassRules rules;
  for (const auto& one : service.classes) rules.add(one, one.label);
  return rules;
}

void ClassRules::add(const ServiceFile::Class& one, const std::optional<std::string>& key) {
  if (!key) return;
  auto known = std::ranges::find(keys_, *key);
  auto place = static_cast<size_t>(known - keys_.begin());
  if (known == keys_.end()) keys_.push_back(*key);
  rules_.push_back({.name = one.name,
                    .text = one.equals ? *one.equals : one.prefix.value_or(""),
                    .key = place,
                    .whole = one.equals.has_value()});
}

}  // namespace serin::agent
