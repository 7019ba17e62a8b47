#include "decision_generated.h"
#include "schema/check.h"
#include "schema/wire.h"
#include "schema/wire_buffer.h"

namespace serin::wire {
namespace {

using Strings = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;

std::vector<std::string> read_hosts(const Strings* from, Fields& faults) {
  const uint32_t count = count_of(from, "hosts", limits::kHosts, faults);
  std::vector<std::string> hosts;
  hosts.reserve(count);
  for (uint32_t i = 0; i < count; ++i) hosts.push_back(text(from->Get(i), "hosts", faults));
  return hosts;
}

Reason read_reason(const fbs::Reason* from, Fields& faults) {
  if (from == nullptr) return {};
  return {.kind = known<ReasonKind>(from->kind(), fbs::ReasonKind::MAX, "reason.kind", faults),
          .metric = text(from->metric(), "reason.metric", faults),
          .canary = from->canary(),
          .baseline = from->baseline(),
          .effect = from->effect(),
          .log_evidence = from->log_evidence(),
          .threshold = from->threshold(),
          .host = text(from->host(), "reason.host", faults),
          .text = text(from->text(), "reason.text", faults)};
}

flatbuffers::Offset<fbs::Reason> put_reason(Builder& builder, const Reason& from) {
  if (from == Reason{}) return {};
  const auto metric = put(builder, from.metric);
  const auto host = put(builder, from.host);
  const auto sentence = put_sentence(builder, from.text);
  return fbs::CreateReason(builder, static_cast<fbs::ReasonKind>(from.kind), metric,
                           finite(from.canary), finite(from.baseline), finite(from.effect),
                           finite(from.log_evidence), finite(from.threshold), host, sentence);
}

Decision read(const fbs::Decision& from, Fields& faults) {
  Decision decision{
      .effect_id = text(from.effect_id(), "effect_id", faults),
      .kind = known<DecisionKind>(from.kind(), fbs::DecisionKind::MAX, "kind", faults),
      .deploy = text(from.deploy(), "deploy", faults),
      .service = text(from.service(), "service", faults),
      .version = text(from.version(), "version", faults),
      .previous = text(from.previous(), "previous", faults),
      .attempt = from.attempt(),
      .at_us = from.at_us(),
      .input_sequence = from.input_sequence(),
      .hosts = read_hosts(from.hosts(), faults),
      .reason = read_reason(from.reason(), faults),
      .actor = text(from.actor(), "actor", faults),
      .incomplete = from.incomplete(),
      .stage = from.stage(),
      .warmup_json = text(from.warmup_json(), "warmup", faults, limits::kWarmupBytes),
      .widening = from.widening(),
      .advisory = from.advisory(),
      .irreversible = from.irreversible()};
  if (const auto outcome = check(decision); !outcome) faults.fault(outcome.error());
  return decision;
}

}  // namespace

Bytes encode(const Decision& decision) {
  Builder builder(1024);
  const auto effect = put_always(builder, decision.effect_id);
  const auto deploy = put(builder, decision.deploy);
  const auto service = put_always(builder, decision.service);
  const auto version = put(builder, decision.version);
  const auto previous = put(builder, decision.previous);
  const auto hosts = decision.hosts.empty() ? flatbuffers::Offset<Strings>{}
                                            : builder.CreateVectorOfStrings(decision.hosts);
  const auto reason = put_reason(builder, decision.reason);
  const auto actor = put(builder, decision.actor);
  const auto warmup = put(builder, decision.warmup_json);
  fbs::FinishDecisionBuffer(
      builder,
      fbs::CreateDecision(builder, effect, static_cast<fbs::DecisionKind>(decision.kind), deploy,
                          service, version, previous, decision.attempt, decision.at_us,
                          decision.input_sequence, hosts, reason, actor, decision.incomplete,
                          decision.stage, warmup, decision.widening, decision.advisory,
                          decision.irreversible));
  return finished(builder);
}

Result<Decision> decode_decision(std::span<const uint8_t> bytes) {
  return decode<fbs::Decision>(bytes, "decision", fbs::DecisionIdentifier(), kMaxMessageBytes,
                               read);
}

}  // namespace serin::wire
