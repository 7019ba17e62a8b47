#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "aggregator/api/act_body.h"
#include "aggregator/api/target.h"
#include "common/error.h"
#include "schema/text.h"

// What strangers can send before anyone has looked at it: the address and an act's body.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto target = aggregator::parse_target(text)) {
    SERIN_VERIFY(!target->path.empty());
    for (const std::string& part : target->path) SERIN_VERIFY(is_plain_text(part));
    for (const auto& [key, value] : target->query)
      SERIN_VERIFY(is_plain_text(key) && is_plain_text(value));
  }
  constexpr std::array<std::string_view, 4> known = {"reason", "host", "service", "irreversible"};
  if (const auto body = aggregator::parse_act_body(text, known)) {
    SERIN_VERIFY(is_plain_text(body->reason) && is_plain_text(body->host) &&
                 is_plain_text(body->service));
  }
  return 0;
}
