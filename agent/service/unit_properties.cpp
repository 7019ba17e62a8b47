#include "agent/service/unit_properties.h"

#include <fmt/core.h>

#include <string_view>

namespace serin::agent {
namespace {

constexpr size_t kInvocationBytes = 16;

struct Text {
  std::string_view name;
  std::string UnitWord::* field;
};
constexpr Text kTexts[] = {{"LoadState", &UnitWord::load_state},
                           {"ActiveState", &UnitWord::active_state},
                           {"SubState", &UnitWord::sub_state},
                           {"Result", &UnitWord::result},
                           {"ControlGroup", &UnitWord::cgroup}};

struct Time {
  std::string_view name;
  uint64_t UnitWord::* field;
};
constexpr Time kTimes[] = {{"ExecMainStartTimestampMonotonic", &UnitWord::main_start_us},
                           {"ExecMainExitTimestampMonotonic", &UnitWord::main_exit_us},
                           {"ActiveExitTimestampMonotonic", &UnitWord::active_exit_us},
                           {"StateChangeTimestampMonotonic", &UnitWord::state_change_us}};

/// What a 32 bit property becomes; systemd sends pids and counts as u, codes as i.
bool take_number(UnitWord& word, std::string_view name, uint32_t value) {
  auto number = static_cast<int32_t>(value);
  if (name == "MainPID") return word.main_pid = number, true;
  if (name == "ExecMainPID") return word.last_main_pid = number, true;
  if (name == "ExecMainCode") return word.exit_kind = number, true;
  if (name == "ExecMainStatus") return word.exit_value = number, true;
  if (name == "NRestarts") return word.restarts = value, true;
  return false;
}

bool is_number(std::string_view name) {
  UnitWord ignored;
  return take_number(ignored, name, 0);
}

/// The variant `v` of one basic type; the message stands before it.
template <typename T>
bool read_variant(sd_bus_message* message, char type, T& value) {
  const char contents[] = {type, '\0'};
  return sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, contents) > 0 &&
         sd_bus_message_read_basic(message, type, &value) > 0 &&
         sd_bus_message_exit_container(message) >= 0;
}

bool read_text(sd_bus_message* message, std::string& text) {
  const char* value = nullptr;
  if (!read_variant(message, SD_BUS_TYPE_STRING, value)) return false;
  text = value;
  return true;
}

bool read_number(sd_bus_message* message, UnitWord& word, std::string_view name) {
  char type = 0;
  const char* contents = nullptr;
  if (sd_bus_message_peek_type(message, &type, &contents) <= 0 || contents == nullptr) return false;
  uint32_t value = 0;
  return (*contents == SD_BUS_TYPE_UINT32 || *contents == SD_BUS_TYPE_INT32) &&
         read_variant(message, *contents, value) && take_number(word, name, value);
}

bool read_invocation(sd_bus_message* message, std::string& invocation) {
  const void* bytes = nullptr;
  size_t size = 0;
  if (sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, "ay") <= 0 ||
      sd_bus_message_read_array(message, SD_BUS_TYPE_BYTE, &bytes, &size) < 0 ||
      sd_bus_message_exit_container(message) < 0)
    return false;
  invocation.clear();
  bool some = false;
  for (size_t i = 0; i < size && size == kInvocationBytes; ++i) {
    auto byte = static_cast<const uint8_t*>(bytes)[i];
    some = some || byte != 0;
    invocation += fmt::format("{:02x}", byte);
  }
  if (!some) invocation.clear();
  return true;
}

bool read_load_error(sd_bus_message* message, std::string& error) {
  const char *name = nullptr, *text = nullptr;
  if (sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, "(ss)") <= 0 ||
      sd_bus_message_read(message, "(ss)", &name, &text) < 0 ||
      sd_bus_message_exit_container(message) < 0)
    return false;
  error = text;
  return true;
}

/// A text or a list of them; all else is skipped, and stays absent.
bool read_wanted(sd_bus_message* message, UnitText& wanted) {
  char type = 0;
  const char* contents = nullptr;
  if (sd_bus_message_peek_type(message, &type, &contents) <= 0 || contents == nullptr) return false;
  std::vector<std::string> values;
  if (std::string_view(contents) == "s") {
    if (!read_text(message, values.emplace_back())) return false;
  } else if (std::string_view(contents) == "as") {
    const char* value = nullptr;
    if (sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, "as") <= 0 ||
        sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "s") < 0)
      return false;
    while (sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &value) > 0)
      values.emplace_back(value);
    if (sd_bus_message_exit_container(message) < 0 || sd_bus_message_exit_container(message) < 0)
      return false;
  } else {
    return sd_bus_message_skip(message, "v") >= 0;
  }
  wanted.values = std::move(values);
  return true;
}

bool read_one(sd_bus_message* message, std::string_view name, UnitWord& word) {
  for (const auto& text : kTexts)
    if (name == text.name) return read_text(message, word.*text.field);
  for (const auto& time : kTimes)
    if (name == time.name) return read_variant(message, SD_BUS_TYPE_UINT64, word.*time.field);
  if (name == "ExecMainStartTimestamp") {
    uint64_t wall_us = 0;
    bool read = read_variant(message, SD_BUS_TYPE_UINT64, wall_us);
    word.main_start_wall_us = static_cast<int64_t>(wall_us);
    return read;
  }
  if (name == "InvocationID") return read_invocation(message, word.invocation);
  if (name == "LoadError") return read_load_error(message, word.load_error);
  if (is_number(name)) return read_number(message, word, name);
  for (auto& wanted : word.texts)
    if (name == wanted.property) return read_wanted(message, wanted);
  return sd_bus_message_skip(message, "v") >= 0;
}

}  // namespace

bool read_properties(sd_bus_message* message, UnitWord& word) {
  if (sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}") < 0) return false;
  while (sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv") > 0) {
    const char* name = nullptr;
    if (sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &name) <= 0) return false;
    if (!read_one(message, name, word) || sd_bus_message_exit_container(message) < 0) return false;
  }
  return sd_bus_message_exit_container(message) >= 0;
}

}  // namespace serin::agent
