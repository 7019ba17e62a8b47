#include "agent/version/unit_question.h"

#include <fmt/core.h>

#include <algorithm>

namespace serin::agent {

Result<std::string> version_of(const UnitWord& word,
                               const ServiceFile::VersionUnitProperty& wanted) {
  auto text = std::ranges::find(word.texts, wanted.property, &UnitText::property);
  const std::string name = fmt::format("{}: {}", word.unit, wanted.property);
  if (text == word.texts.end() || !text->values)
    return fail(name + " is no property with a text; systemctl show lists them");
  for (const std::string& value : *text->values) {
    std::string_view rest = value;
    if (!wanted.key.empty()) {
      if (!rest.starts_with(wanted.key + "=")) continue;
      rest.remove_prefix(wanted.key.size() + 1);
    }
    auto version = version_in(rest);
    if (!version) return fail(fmt::format("{}: {}", name, version.error().message));
    return version;
  }
  if (wanted.key.empty()) return fail(name + " is empty");
  return fail(fmt::format("{} sets no {}; variables of an EnvironmentFile are not in it", name,
                          wanted.key));
}

UnitQuestion::UnitQuestion(uv_loop_t* loop, UnitManager& manager,
                           const std::vector<std::string>& units,
                           const ServiceFile::VersionUnitProperty& wanted)
    : manager_(manager),
      heard_(std::make_shared<Heard>(Heard{.wanted = wanted, .by_unit = {}, .changed = {}})),
      tell_(loop, [this] { tell(); }) {
  heard_->changed = [this] { look(); };
  for (const auto& unit : units) {
    manager.want(unit, wanted.property);
    manager.follow(unit, [weak = std::weak_ptr(heard_)](const UnitWord& word) {
      auto heard = weak.lock();
      // A signal does not hold it, and what is put together with it may be older than the start.
      if (!heard || word.whence == UnitWord::Whence::signal || word.invocation.empty()) return;
      auto generation = fmt::format("{}:{}", word.unit, word.invocation);
      auto& last = heard->by_unit[word.unit];
      if (last.first == generation) return;  // as it was at the start
      last = {std::move(generation), version_of(word, heard->wanted)};
      heard->changed();
    });
  }
}

const Result<std::string>* UnitQuestion::known() const {
  for (const auto& [unit, heard] : heard_->by_unit)
    if (heard.first == generation_) return &heard.second;
  return nullptr;
}

void UnitQuestion::ask(const std::string& generation, Answer answer) {
  generation_ = generation;
  answer_ = std::move(answer);
  if (known() != nullptr) return tell_.start(0);
  tell_.start(kTimeoutMs);
  manager_.ask(generation.substr(0, generation.rfind(':')));
}

void UnitQuestion::look() {
  if (answer_ && known() != nullptr) tell_.start(0);
}

void UnitQuestion::tell() {
  const auto* version = known();
  auto answer = std::exchange(answer_, nullptr);
  if (answer)
    answer(version != nullptr ? *version : fail("systemd has not said anything about its unit"));
}

}  // namespace serin::agent
