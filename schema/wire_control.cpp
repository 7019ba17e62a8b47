#include "control_generated.h"
#include "schema/check.h"
#include "schema/wire.h"
#include "schema/wire_buffer.h"

namespace serin::wire {
namespace {

Control read(const fbs::Control& from, Fields& faults) {
  Control control{.kind = known<ControlKind>(from.kind(), fbs::ControlKind::MAX, "kind", faults),
                  .id = text(from.id(), "id", faults),
                  .service = text(from.service(), "service", faults),
                  .policy_json = text(from.policy_json(), "policy", faults, limits::kPolicyBytes),
                  .act = known<Act>(from.act(), fbs::Act::MAX, "act", faults),
                  .deploy = text(from.deploy(), "deploy", faults),
                  .host = text(from.host(), "host", faults),
                  .actor = text(from.actor(), "actor", faults),
                  .reason = text(from.reason(), "reason", faults),
                  .version = text(from.version(), "version", faults),
                  .irreversible = from.irreversible(),
                  .warmup_json = text(from.warmup_json(), "warmup", faults, limits::kWarmupBytes)};
  if (const auto outcome = check(control, Origin::wire); !outcome) faults.fault(outcome.error());
  return control;
}

}  // namespace

Bytes encode(const Control& control) {
  Builder builder(512);
  const auto id = put(builder, control.id);
  const auto service = put(builder, control.service);
  const auto policy = put(builder, control.policy_json);
  const auto deploy = put(builder, control.deploy);
  const auto host = put(builder, control.host);
  const auto actor = put(builder, control.actor);
  const auto reason = put_sentence(builder, control.reason);
  const auto version = put(builder, control.version);
  const auto warmup = put(builder, control.warmup_json);
  fbs::FinishControlBuffer(
      builder, fbs::CreateControl(builder, static_cast<fbs::ControlKind>(control.kind), id, service,
                                  policy, static_cast<fbs::Act>(control.act), deploy, host, actor,
                                  reason, version, control.irreversible, warmup));
  return finished(builder);
}

Result<Control> decode_control(std::span<const uint8_t> bytes) {
  return decode<fbs::Control>(bytes, "control", fbs::ControlIdentifier(), kMaxMessageBytes, read);
}

}  // namespace serin::wire
