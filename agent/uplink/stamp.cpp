#include "agent/uplink/stamp.h"

#include <algorithm>
#include <string_view>

#include "schema/wire.h"

namespace serin::agent {
namespace {

int64_t age_since(uint64_t end_boot_us) {
  const uint64_t now = boot_now_us();
  return now > end_boot_us ? static_cast<int64_t>(now - end_boot_us) : 0;
}

bool has_identifier(std::span<const uint8_t> message, std::string_view identifier) {
  return message.size() >= 8 && std::ranges::equal(message.subspan(4, 4), as_bytes(identifier));
}

}  // namespace

uint64_t boot_now_us() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

Result<Bytes> with_age(std::span<const uint8_t> message, uint64_t end_boot_us) {
  if (has_identifier(message, "SRE1")) {
    auto event = wire::decode_event(message);
    if (!event) return std::unexpected(event.error());
    event->age_us = age_since(end_boot_us);
    return wire::encode(*event);
  }
  auto sample = wire::decode_sample(message);
  if (!sample) return std::unexpected(sample.error());
  sample->age_us = age_since(end_boot_us);
  return wire::encode(*sample);
}

uint32_t remaining_seconds(uint32_t lasting_seconds, const std::string& stored,
                           std::time_t wall_now) {
  if (stored.empty()) return lasting_seconds;
  std::tm parts{};
  if (strptime(stored.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return lasting_seconds;
  const std::time_t age = std::max<std::time_t>(wall_now - timegm(&parts), 0);
  return age >= lasting_seconds ? 0 : lasting_seconds - static_cast<uint32_t>(age);
}

}  // namespace serin::agent
