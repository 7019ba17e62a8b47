#include "agent/uplink/ack.h"

#include <fmt/core.h>

#include "schema/json_reader.h"

namespace serin::agent {
namespace {

constexpr std::string_view kNobodyListens = "503";

/// {"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}
void read_error(JsonReader& json, Ack& ack) {
  ack.why = "refused without a word";
  json.members([&](std::string_view key) {
    if (key == "err_code")
      ack.code = json.count();
    else if (key == "description")
      ack.why = json.string();
    else
      json.skip();
  });
}

}  // namespace

Ack read_ack(std::string_view status, std::span<const uint8_t> payload) {
  if (status == kNobodyListens) return {.why = "no stream takes this subject (yet)"};
  if (!status.empty()) return {.why = fmt::format("the server answered {:.20}", status)};
  Ack ack;
  uint64_t sequence = 0;
  JsonReader json({reinterpret_cast<const char*>(payload.data()), payload.size()});
  json.members([&](std::string_view key) {
    if (key == "error")
      read_error(json, ack);
    else if (key == "seq")
      sequence = json.count();
    else
      json.skip();
  });
  json.end();
  if (!json.ok()) return {.why = "the answer is no ack: " + json.error()};
  ack.stored = ack.why.empty() && sequence > 0;
  if (!ack.stored && ack.why.empty()) ack.why = "the answer is no ack: it has no sequence";
  return ack;
}

}  // namespace serin::agent
