#include "agent/sampler/readiness_facts.h"

#include <fmt/chrono.h>

#include <chrono>

namespace serin::agent {
namespace {

std::string rfc3339(int64_t wall_us) {
  const std::chrono::sys_time<std::chrono::microseconds> at{std::chrono::microseconds(wall_us)};
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<std::chrono::seconds>(at));
}

std::string_view or_unknown(const std::string& text) {
  return text.empty() ? "the helper does not tell" : std::string_view(text);
}

}  // namespace

void tell_readiness(FactBook& facts, const Result<HelperReply>& status) {
  if (!status) {
    facts.set("rollback.ready", "no: " + status.error().message);
    return;
  }
  switch (status->ready) {
    case Ready::yes:
      facts.set("rollback.ready", "yes");
      break;
    case Ready::no:
      facts.set("rollback.ready", fmt::format("no: {}", or_unknown(status->ready_text)));
      break;
    case Ready::unknown:
      facts.absent("rollback.ready", or_unknown(status->ready_text));
      break;
  }
  facts.set("rollback.target", status->ready_target);
  const auto& rehearsed = status->rehearsed_seconds;
  facts.set("rollback.rehearsed_seconds", rehearsed ? fmt::format("{:.1f}", *rehearsed) : "");
  facts.set("rollback.rehearsed_at", rehearsed ? rfc3339(status->rehearsed_wall_us) : "");
  const auto& dead_man = status->dead_man_seconds;
  facts.set("dead_man.seconds", dead_man ? fmt::format("{:g}", *dead_man) : "");
  facts.set("dead_man.confirmed", status->confirmed);
}

}  // namespace serin::agent
