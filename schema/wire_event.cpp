#include "event_generated.h"
#include "schema/check.h"
#include "schema/wire.h"
#include "schema/wire_buffer.h"
#include "schema/wire_identity.h"

namespace serin::wire {
namespace {

auto put_facts(Builder& builder, const std::vector<std::pair<std::string, std::string>>& facts) {
  std::vector<flatbuffers::Offset<fbs::Fact>> offsets;
  offsets.reserve(facts.size());
  for (const auto& [fact, value] : facts) {
    const auto name = put_always(builder, fact);
    offsets.push_back(fbs::CreateFact(builder, name, put_sentence(builder, value)));
  }
  using Offsets = decltype(builder.CreateVector(offsets));
  return offsets.empty() ? Offsets{} : builder.CreateVector(offsets);
}

std::vector<std::pair<std::string, std::string>> read_facts(
    const flatbuffers::Vector<flatbuffers::Offset<fbs::Fact>>* from, Fields& faults) {
  const uint32_t count = count_of(from, "facts", limits::kFacts, faults);
  std::vector<std::pair<std::string, std::string>> facts;
  facts.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    facts.emplace_back(text(from->Get(i)->name(), "facts.name", faults),
                       text(from->Get(i)->value(), "facts.value", faults));
  }
  return facts;
}

Event read(const fbs::Event& from, Fields& faults) {
  Event event{.from = read_identity(*from.from(), faults),
              .service = text(from.service(), "service", faults),
              .kind = known<EventKind>(from.kind(), fbs::EventKind::MAX, "kind", faults),
              .age_us = from.age_us(),
              .wall_us = from.wall_us(),
              .version = text(from.version(), "version", faults),
              .previous = text(from.previous(), "previous", faults),
              .selected = text(from.selected(), "selected", faults),
              .generation = text(from.generation(), "generation", faults),
              .cause = known<Cause>(from.cause(), fbs::Cause::MAX, "cause", faults),
              .artefact = text(from.artefact(), "artefact", faults),
              .same_name = from.same_name(),
              .ambiguous = from.ambiguous(),
              .expected = from.expected(),
              .exit_code = from.exit_code(),
              .signal = from.signal(),
              .step = text(from.step(), "step", faults),
              .reason = text(from.reason(), "reason", faults),
              .command = text(from.command(), "command", faults),
              .deploy = text(from.deploy(), "deploy", faults),
              .facts = read_facts(from.facts(), faults)};
  if (const auto outcome = check(event, Origin::wire); !outcome) faults.fault(outcome.error());
  return event;
}

}  // namespace

Bytes encode(const Event& event) {
  Builder builder(512);
  const auto from = put_identity(builder, event.from);
  const auto service = put_always(builder, event.service);
  const auto version = put(builder, event.version);
  const auto previous = put(builder, event.previous);
  const auto selected = put(builder, event.selected);
  const auto generation = put(builder, event.generation);
  const auto artefact = put(builder, event.artefact);
  const auto step = put(builder, event.step);
  const auto reason = put_sentence(builder, event.reason);
  const auto command = put(builder, event.command);
  const auto deploy = put(builder, event.deploy);
  const auto facts = put_facts(builder, event.facts);
  fbs::FinishEventBuffer(
      builder, fbs::CreateEvent(builder, from, service, static_cast<fbs::EventKind>(event.kind),
                                event.age_us, event.wall_us, version, previous, selected,
                                generation, static_cast<fbs::Cause>(event.cause), artefact,
                                event.same_name, event.ambiguous, event.expected, event.exit_code,
                                event.signal, step, reason, command, deploy, facts));
  return finished(builder);
}

Result<Event> decode_event(std::span<const uint8_t> bytes) {
  return decode<fbs::Event>(bytes, "event", fbs::EventIdentifier(), kMaxMessageBytes, read);
}

}  // namespace serin::wire
