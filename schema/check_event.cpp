#include "schema/check.h"
#include "schema/check_identity.h"
#include "schema/fields.h"

namespace serin {
namespace {

constexpr size_t kCommandIdDigits = 32;

void check_details(Fields& fields, const Event& event) {
  fields.text(event.artefact, "artefact", limits::kIdBytes);
  const bool stepped =
      event.kind == EventKind::rollback_step || event.kind == EventKind::drill_step;
  fields.text(event.step, "step", limits::kNameBytes, stepped ? Need::required : Need::optional);
  fields.text(event.reason, "reason", limits::kTextBytes);
  fields.hex(event.command, "command", kCommandIdDigits, Need::optional);
  fields.text(event.deploy, "deploy", limits::kIdBytes);
  fields.most(event.facts.size(), "facts", limits::kFacts);
  for (const auto& [fact, value] : event.facts) {
    fields.text(fact, "facts.name", limits::kNameBytes, Need::required);
    fields.text(value, "facts.value", limits::kTextBytes);
  }
}

}  // namespace

Result<void> check(const Event& event, Origin origin) {
  Fields fields("event");
  check_identity(fields, event.from, event.service, origin);
  fields.expect(event.kind != EventKind::silent || origin == Origin::capture, "kind",
                "silent is derived from what is not heard, and only accepted in captures");
  check_times(fields, event.age_us, event.wall_us);
  const Need need = event.kind == EventKind::version_started ? Need::required : Need::optional;
  fields.version(event.version, "version", need);
  fields.version(event.previous, "previous");
  fields.version(event.selected, "selected");
  fields.text(event.generation, "generation", limits::kIdBytes);
  check_details(fields, event);
  return fields.outcome();
}

Result<void> check(const Control& control, Origin) {
  Fields fields("control");
  const bool acts = control.kind == ControlKind::act;
  const bool declares = control.kind == ControlKind::declare;
  const bool teaches = control.kind == ControlKind::warmup;
  fields.text(control.id, "id", limits::kIdBytes);
  fields.service(control.service, "service", acts || declares || teaches ? Need::required : Need::optional);
  fields.expect(control.policy_json.size() <= limits::kPolicyBytes, "policy",
                "is longer than 60 KiB");
  fields.expect(control.kind != ControlKind::policy || !control.policy_json.empty(), "policy",
                "is missing");
  fields.expect(is_plain_text(control.policy_json), "policy",
                "is not UTF-8 without control characters");
  fields.text(control.warmup_json, "warmup", limits::kWarmupBytes,
              teaches ? Need::required : Need::optional);
  fields.text(control.deploy, "deploy", limits::kIdBytes);
  const bool drills = acts && control.act == Act::drill;
  fields.expect(!acts || drills || !control.deploy.empty() || !control.version.empty(), "deploy",
                "is missing");
  fields.host(control.host, "host", drills ? Need::required : Need::optional);
  fields.text(control.actor, "actor", limits::kNameBytes);
  fields.text(control.reason, "reason", limits::kTextBytes);
  fields.version(control.version, "version", declares ? Need::required : Need::optional);
  return fields.outcome();
}

}  // namespace serin
