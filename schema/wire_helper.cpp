#include "helper_generated.h"
#include "helper_reply_generated.h"
#include "schema/check.h"
#include "schema/wire.h"
#include "schema/wire_buffer.h"

namespace serin::wire {
namespace {

using StepVector = flatbuffers::Vector<flatbuffers::Offset<fbs::HelperStep>>;

auto put_steps(Builder& builder, const std::vector<HelperStep>& steps) {
  std::vector<flatbuffers::Offset<fbs::HelperStep>> offsets;
  offsets.reserve(steps.size());
  for (const HelperStep& step : steps) {
    const auto name = put_always(builder, step.name);
    const auto reason = put_sentence(builder, step.reason, limits::kStepReasonBytes);
    offsets.push_back(fbs::CreateHelperStep(builder, name, reason, step.wall_us));
  }
  return offsets.empty() ? flatbuffers::Offset<StepVector>{} : builder.CreateVector(offsets);
}

std::vector<HelperStep> read_steps(const StepVector* from, Fields& faults) {
  const uint32_t count = count_of(from, "steps", limits::kSteps, faults);
  std::vector<HelperStep> steps;
  steps.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    steps.push_back({.name = text(from->Get(i)->name(), "steps.name", faults),
                     .reason = text(from->Get(i)->reason(), "steps.reason", faults),
                     .wall_us = from->Get(i)->wall_us()});
  }
  return steps;
}

using LibraryVector = flatbuffers::Vector<flatbuffers::Offset<fbs::MappedLibrary>>;

auto put_libraries(Builder& builder, const std::vector<MappedLibrary>& libraries) {
  std::vector<flatbuffers::Offset<fbs::MappedLibrary>> offsets;
  offsets.reserve(libraries.size());
  for (const MappedLibrary& library : libraries) {
    const auto name = put_always(builder, library.name);
    offsets.push_back(fbs::CreateMappedLibrary(builder, name, put(builder, library.id)));
  }
  return offsets.empty() ? flatbuffers::Offset<LibraryVector>{} : builder.CreateVector(offsets);
}

MappedLibraries read_libraries(const fbs::HelperReply& from, Fields& faults) {
  MappedLibraries libraries{.known = from.libraries_known(),
                            .problem = text(from.libraries_problem(), "libraries_problem", faults),
                            .list = {},
                            .left_out = from.libraries_left_out()};
  const auto* list = from.libraries();
  const uint32_t count = count_of(list, "libraries", limits::kLibraries, faults);
  libraries.list.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    libraries.list.push_back({.name = text(list->Get(i)->name(), "libraries.name", faults),
                              .id = text(list->Get(i)->id(), "libraries.id", faults)});
  }
  return libraries;
}

HelperRequest read_request(const fbs::HelperRequest& from, Fields& faults) {
  HelperRequest request{
      .verb = known<HelperVerb>(from.verb(), fbs::HelperVerb::MAX, "verb", faults),
      .service = text(from.service(), "service", faults),
      .command = bytes(from.command())};
  if (const auto outcome = check(request); !outcome) faults.fault(outcome.error());
  return request;
}

HelperReply read_reply(const fbs::HelperReply& from, Fields& faults) {
  HelperReply reply{
      .answer = known<HelperAnswer>(from.answer(), fbs::HelperAnswer::MAX, "answer", faults),
      .refusal = known<Refusal>(from.refusal(), fbs::Refusal::MAX, "refusal", faults),
      .text = text(from.text(), "text", faults),
      .command = text(from.command(), "command", faults),
      .deploy = text(from.deploy(), "deploy", faults),
      .condemned = text(from.condemned(), "condemned", faults),
      .target = text(from.target(), "target", faults),
      .steps = read_steps(from.steps(), faults),
      .version = text(from.version(), "version", faults),
      .artefact = text(from.artefact(), "artefact", faults),
      .selected = text(from.selected(), "selected", faults),
      .task = known<HelperTask>(from.task(), fbs::HelperTask::MAX, "task", faults),
      .ready = known<Ready>(from.ready(), fbs::Ready::MAX, "ready", faults),
      .ready_text = text(from.ready_text(), "ready_text", faults),
      .ready_target = text(from.ready_target(), "ready_target", faults),
      .rehearsed_seconds = from.rehearsed_seconds(),
      .rehearsed_wall_us = from.rehearsed_wall_us(),
      .dead_man_seconds = from.dead_man_seconds(),
      .confirmed = text(from.confirmed(), "confirmed", faults),
      .libraries = read_libraries(from, faults)};
  if (const auto outcome = check(reply); !outcome) faults.fault(outcome.error());
  return reply;
}

}  // namespace

Bytes encode(const HelperRequest& request) {
  Builder builder(512);
  const auto service = put(builder, request.service);
  const auto command = request.command.empty()
                           ? flatbuffers::Offset<flatbuffers::Vector<uint8_t>>{}
                           : builder.CreateVector(request.command.data(), request.command.size());
  const auto verb = static_cast<fbs::HelperVerb>(request.verb);
  fbs::FinishHelperRequestBuffer(builder,
                                 fbs::CreateHelperRequest(builder, verb, service, command));
  return finished(builder);
}

Bytes encode(const HelperReply& reply) {
  Builder builder(512);
  const auto sentence = put_sentence(builder, reply.text);
  const auto command = put(builder, reply.command);
  const auto deploy = put(builder, reply.deploy);
  const auto condemned = put(builder, reply.condemned);
  const auto target = put(builder, reply.target);
  const auto steps = put_steps(builder, reply.steps);
  const auto version = put(builder, reply.version);
  const auto artefact = put(builder, reply.artefact);
  const auto selected = put(builder, reply.selected);
  const auto ready_text = put_sentence(builder, reply.ready_text, limits::kStepReasonBytes);
  const auto ready_target = put(builder, reply.ready_target);
  const auto confirmed = put(builder, reply.confirmed);
  const auto libraries_problem =
      put_sentence(builder, reply.libraries.problem, limits::kStepReasonBytes);
  const auto libraries = put_libraries(builder, reply.libraries.list);
  fbs::FinishHelperReplyBuffer(
      builder, fbs::CreateHelperReply(
                   builder, static_cast<fbs::HelperAnswer>(reply.answer),
                   static_cast<fbs::Refusal>(reply.refusal), sentence, command, deploy, condemned,
                   target, steps, version, artefact, selected,
                   static_cast<fbs::HelperTask>(reply.task), static_cast<fbs::Ready>(reply.ready),
                   ready_text, ready_target, finite(reply.rehearsed_seconds),
                   reply.rehearsed_wall_us, finite(reply.dead_man_seconds), confirmed,
                   reply.libraries.known, libraries_problem, libraries, reply.libraries.left_out));
  return finished(builder);
}

Result<HelperRequest> decode_helper_request(std::span<const uint8_t> bytes) {
  return decode<fbs::HelperRequest>(bytes, "helper request", fbs::HelperRequestIdentifier(),
                                    kMaxCommandBytes, read_request);
}

Result<HelperReply> decode_helper_reply(std::span<const uint8_t> bytes) {
  return decode<fbs::HelperReply>(bytes, "helper reply", fbs::HelperReplyIdentifier(),
                                  kMaxCommandBytes, read_reply);
}

}  // namespace serin::wire
