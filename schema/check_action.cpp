#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "schema/check.h"
#include "schema/fields.h"
#include "schema/wire.h"

namespace serin {
namespace {

constexpr size_t kCommandIdDigits = 32;  ///< 16 bytes
constexpr size_t kKeyIdDigits = 16;      ///< 8 bytes
constexpr size_t kSignatureBytes = 64;   ///< Ed25519

}  // namespace

Result<void> check(const Command& command) {
  Fields fields("command");
  const auto needed = [&](std::initializer_list<CommandKind> kinds) {
    return std::ranges::find(kinds, command.kind) != kinds.end() ? Need::required : Need::optional;
  };
  using enum CommandKind;
  fields.hex(command.id, "id", kCommandIdDigits);
  fields.expect(command.revision > 0, "revision", "counts from 1");
  fields.text(command.deploy, "deploy", limits::kIdBytes);
  fields.host(command.host, "host");
  fields.service(command.service, "service");
  fields.version(command.condemned, "condemned", needed({rollback, drill}));
  fields.version(command.target, "target", needed({rollback, drill, confirm}));
  fields.time(command.issued_us, "issued");
  fields.time(command.not_after_us, "not_after");
  fields.hex(command.supersedes, "supersedes", kCommandIdDigits, needed({cancel}));
  return fields.outcome();
}

Result<void> check(const SignedCommand& command) {
  Fields fields("signed command");
  fields.hex(command.key_id, "key_id", kKeyIdDigits);
  fields.expect(!command.payload.empty(), "payload", "is missing");
  fields.most(command.payload.size(), "payload", wire::kMaxCommandBytes);
  fields.expect(command.signature.size() == kSignatureBytes, "signature", "is not 64 bytes long");
  return fields.outcome();
}

Result<void> check(const HelperRequest& request) {
  Fields fields("helper request");
  const bool executes = request.verb == HelperVerb::execute;
  fields.service(request.service, "service", executes ? Need::optional : Need::required);
  fields.expect(executes == !request.command.empty(), "command",
                "goes with execute, and only with it");
  fields.most(request.command.size(), "command", wire::kMaxCommandBytes);
  return fields.outcome();
}

Result<void> check(const HelperReply& reply) {
  Fields fields("helper reply");
  fields.text(reply.text, "text", limits::kTextBytes);
  fields.hex(reply.command, "command", kCommandIdDigits, Need::optional);
  fields.text(reply.deploy, "deploy", limits::kIdBytes);
  fields.version(reply.condemned, "condemned");
  fields.version(reply.target, "target");
  fields.most(reply.steps.size(), "steps", limits::kSteps);
  for (const HelperStep& step : reply.steps) {
    fields.text(step.name, "steps.name", limits::kStepNameBytes, Need::required);
    fields.text(step.reason, "steps.reason", limits::kStepReasonBytes);
    fields.time(step.wall_us, "steps.wall");
  }
  fields.version(reply.version, "version");
  fields.text(reply.artefact, "artefact", limits::kIdBytes);
  fields.version(reply.selected, "selected");
  fields.text(reply.ready_text, "ready_text", limits::kStepReasonBytes);
  fields.version(reply.ready_target, "ready_target");
  fields.amount(reply.rehearsed_seconds, "rehearsed_seconds");
  fields.time(reply.rehearsed_wall_us, "rehearsed_wall");
  fields.amount(reply.dead_man_seconds, "dead_man_seconds");
  fields.version(reply.confirmed, "confirmed");
  fields.text(reply.libraries.problem, "libraries_problem", limits::kStepReasonBytes);
  fields.most(reply.libraries.list.size(), "libraries", limits::kLibraries);
  for (const MappedLibrary& library : reply.libraries.list) {
    fields.text(library.name, "libraries.name", limits::kLibraryNameBytes, Need::required);
    fields.text(library.id, "libraries.id", limits::kLibraryIdBytes);
  }
  return fields.outcome();
}

Result<void> check(const Decision& decision) {
  Fields fields("decision");
  fields.text(decision.effect_id, "effect_id", limits::kIdBytes, Need::required);
  fields.text(decision.deploy, "deploy", limits::kIdBytes);
  fields.service(decision.service, "service");
  fields.version(decision.version, "version");
  fields.version(decision.previous, "previous");
  fields.expect(decision.attempt > 0, "attempt", "counts from 1");
  fields.time(decision.at_us, "at");
  fields.most(decision.hosts.size(), "hosts", limits::kHosts);
  for (const std::string& host : decision.hosts) fields.host(host, "hosts");
  fields.text(decision.reason.metric, "reason.metric", limits::kNameBytes);
  fields.finite(decision.reason.canary, "reason.canary");
  fields.finite(decision.reason.baseline, "reason.baseline");
  fields.finite(decision.reason.effect, "reason.effect");
  fields.finite(decision.reason.log_evidence, "reason.log_evidence");
  fields.finite(decision.reason.threshold, "reason.threshold");
  fields.host(decision.reason.host, "reason.host", Need::optional);
  fields.text(decision.reason.text, "reason.text", limits::kTextBytes);
  fields.text(decision.actor, "actor", limits::kNameBytes);
  fields.text(decision.warmup_json, "warmup", limits::kWarmupBytes);
  fields.expect(std::isfinite(decision.widening) && decision.widening >= 1, "widening",
                "is at least 1");
  return fields.outcome();
}

}  // namespace serin
