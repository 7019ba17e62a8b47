#include "aggregator/bus/input.h"

#include <fmt/core.h>

#include "common/bus/subjects.h"
#include "schema/wire.h"

namespace serin::aggregator {
namespace {

using Body = std::variant<Sample, Event, Control>;

template <typename Message>
Result<Body> checked(const bus::InputSubject& subject, Result<Message> message) {
  if (!message) return std::unexpected(message.error());
  if (message->from.host != subject.host || message->service != subject.service) {
    return fail(fmt::format("it claims to be of {} on {}, its subject is of {} on {}",
                            message->service, message->from.host, subject.service, subject.host));
  }
  return Body(std::move(*message));
}

}  // namespace

Result<Body> read_input_body(std::string_view subject, std::span<const uint8_t> payload) {
  const auto parsed = bus::parse_input_subject(subject);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->kind == bus::InputKind::sample) return checked(*parsed, wire::decode_sample(payload));
  if (parsed->kind == bus::InputKind::event) return checked(*parsed, wire::decode_event(payload));
  auto control = wire::decode_control(payload);
  if (!control) return std::unexpected(control.error());
  if (subject_of(*control) != subject)
    return fail("a control message under another subject than its own");
  return Body(std::move(*control));
}

std::string subject_of(const Control& control) {
  if (control.kind == ControlKind::clock) return bus::kClockSubject;
  if (control.kind == ControlKind::policy) return bus::kPolicySubject;
  if (control.kind == ControlKind::warmup) return bus::warmup_subject(control.service);
  return bus::control_subject(control.service);
}

}  // namespace serin::aggregator
