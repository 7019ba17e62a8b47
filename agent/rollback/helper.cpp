#include "agent/rollback/helper.h"

#include "agent/rollback/answers.h"
#include "agent/rollback/inspect.h"
#include "agent/rollback/libraries.h"
#include "agent/rollback/readiness.h"
#include "agent/rollback/trust.h"
#include "common/log.h"
#include "common/signing.h"
#include "schema/limits.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

constexpr int64_t kLaunchAgainUs = 2 * kSecondUs;  // an action that died is started again no sooner

}  // namespace

Helper::Helper(const Settings& settings, const Clock& clock, ActionLauncher& launcher,
               StepObserver& observer)
    : settings_(settings),
      clock_(clock),
      launcher_(launcher),
      observer_(observer),
      journals_(settings.state) {}

Result<void> Helper::start() {
  if (auto ready = journals_.prepare(); !ready) return ready;
  for (const auto& service : journals_.pending_services()) continue_abandoned(service);
  return {};
}

HelperReply Helper::refuse_peer() {
  return refused(Refusal::peer, "only the agent's user may speak to the helper");
}

HelperReply Helper::answer(std::span<const uint8_t> packet, size_t packet_bytes) {
  const auto request = open_request(packet, packet_bytes);
  if (!request) return refused(request.error().refusal, request.error().text);
  const std::string service(request->service);
  switch (request->verb) {
    case HelperVerb::status:
      return status(service);
    case HelperVerb::inspect:
      return inspect_service(service);
    case HelperVerb::execute:
      return execute(*request);
    case HelperVerb::dead_man:
      return dead_man(service);
  }
  return refused(Refusal::unsupported, "not a verb that this version of Serin knows");
}

HelperReply Helper::status(const std::string& service) {
  const auto record = journals_.latest(service);
  if (!record) {
    HelperReply damaged = not_possible(record.error());
    add_readiness(damaged, service, settings_, clock_);
    damaged.ready = Ready::no;
    damaged.ready_text = record.error().message;
    damaged.ready_target.clear();
    return damaged;
  }
  HelperReply reply{.answer = HelperAnswer::ok, .text = "no command was carried out yet"};
  if (*record) reply = report(**record);
  if (*record && !(*record)->finished())
    continue_abandoned(service);
  else
    add_readiness(reply, service, settings_, clock_);
  return reply;
}

HelperReply Helper::inspect_service(const std::string& service) {
  const auto described = check_service(service, settings_);
  if (!described) return refused(described.error());
  const auto seen = inspect(*described, settings_, clock_);
  if (!seen) return refused(Refusal::ambiguous, seen.error().message);
  HelperReply reply{.answer = HelperAnswer::ok, .text = {}, .selected = seen->selected};
  if (!seen->running) {
    reply.text = "nothing runs";
    return reply;
  }
  reply.artefact = seen->running->artefact;
  reply.libraries = mapped_libraries(settings_, *seen->running, releases_of(*described));
  if (seen->running->doubt.empty())
    reply.version = seen->running->version;
  else
    reply = {.answer = HelperAnswer::refused,
             .refusal = Refusal::ambiguous,
             .text = seen->running->doubt,
             .artefact = reply.artefact,
             .selected = reply.selected,
             .libraries = reply.libraries};
  return reply;
}

HelperReply Helper::execute(const OpenedRequest& request) {
  if (auto owned = check_owned_contents(settings_.keys); !owned) {
    return refused(Refusal::key, owned.error().message);
  }
  const auto keys = KeyRing::load(settings_.keys);
  for (const auto& problem : keys.problems()) log::warning("{}", problem);
  const auto payload = open_command(request.command, keys);
  if (!payload) return refused(payload.error().refusal, payload.error().text);
  const auto command = wire::decode_command(*payload);
  if (!command) return refused(Refusal::bad_request, command.error().message);
  if (!request.service.empty() && request.service != command->service) {
    return refused(Refusal::service, "request and command name different services");
  }
  HelperReply reply = obey(*command, Bytes(request.command.begin(), request.command.end()));
  if (reply.answer == HelperAnswer::refused) {
    reply.command = command->id;
    log::warning("{}: command {} refused: {}: {}", command->service, command->id,
                 name(reply.refusal), reply.text);
  }
  return reply;
}

void Helper::launch(const std::string& service) {
  launched_us_[service] = clock_.boot_us();
  const auto launched = launcher_.launch(service);
  // Nothing is lost: the journal stands, and the next status starts it again.
  if (!launched)
    log::error("{}: the action cannot be started: {}", service, launched.error().message);
}

void Helper::continue_abandoned(const std::string& service) {
  if (journals_.held(service)) return;
  const auto last = launched_us_.find(service);
  if (last != launched_us_.end() && clock_.boot_us() - last->second < kLaunchAgainUs) return;
  log::warning("{}: an action was interrupted and is continued", service);
  launch(service);
}

}  // namespace serin::helper
