#include "agent/version/json_pointer.h"

#include <fmt/core.h>

#include <optional>

#include "schema/json_reader.h"

namespace serin::agent {
namespace {

/// The next step of the pointer, taken off it: ~1 is /, ~0 is ~.
std::string take_step(std::string_view& pointer) {
  pointer.remove_prefix(1);
  std::string_view raw = pointer.substr(0, pointer.find('/'));
  pointer.remove_prefix(raw.size());
  std::string step;
  for (size_t i = 0; i < raw.size(); ++i) {
    const bool escaped = raw[i] == '~' && i + 1 < raw.size();
    step += !escaped ? raw[i] : raw[++i] == '1' ? '/' : '~';
  }
  return step;
}

/// The text of the member or element `step`. The last member of a name counts, as in most readers.
std::optional<std::string_view> child(JsonReader& json, std::string_view step) {
  std::optional<std::string_view> found;
  size_t index = 0;
  if (json.peek() == '{') {
    json.members([&](std::string_view key) {
      const bool meant = key == step;
      auto value = json.skip();
      if (meant) found = value;
    });
  } else if (json.peek() == '[') {
    json.elements([&] {
      auto value = json.skip();
      if (step == std::to_string(index++)) found = value;
    });
  }
  return found;
}

}  // namespace

Result<std::string> text_at(std::string_view json, std::string_view pointer) {
  std::string_view rest = pointer;
  bool whole = true;  // what lies within was read as a part of the whole
  while (!rest.empty()) {
    const std::string step = take_step(rest);
    JsonReader reader(json);
    auto found = child(reader, step);
    if (whole && reader.peek() != '{' && reader.peek() != '[') reader.end();
    whole = false;
    if (!reader.ok()) return fail("its answer is no JSON: " + reader.error());
    if (!found) return fail(fmt::format("its answer has nothing at {}", pointer));
    json = *found;
  }
  JsonReader reader(json);
  const char first = reader.peek();
  if (first == '"') return reader.string();
  if (first == '-' || (first >= '0' && first <= '9')) return std::string(json);
  return fail(fmt::format("its answer has neither a text nor a number at {}", pointer));
}

}  // namespace serin::agent
