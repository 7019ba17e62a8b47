#include "agent/rollback/helper.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/rollback/conditions.h"
#include "agent/rollback/drill.h"
#include "agent/rollback/inspect.h"
#include "agent/rollback/libraries.h"
#include "agent/rollback/trust.h"
#include "common/log.h"
#include "common/signing.h"
#include "schema/limits.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

constexpr int64_t kLaunchAgainUs = 2 * kSecondUs;  // an action that died is started again no sooner

HelperReply refused(Refusal refusal, std::string_view text) {
  return {.answer = HelperAnswer::refused, .refusal = refusal, .text = std::string(text)};
}

std::vector<HelperStep> steps_of(const Record& record) {
  std::vector<HelperStep> steps;
  for (const JournalEntry& entry : record.entries) {
    if (is_step(entry.word)) steps.push_back({entry.word, entry.text, entry.wall_us});
  }
  const size_t excess = steps.size() - std::min(steps.size(), limits::kSteps);
  steps.erase(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(excess));
  return steps;
}

HelperReply report(const Record& record) {
  HelperReply reply{.answer = HelperAnswer::in_progress,
                    .command = record.id,
                    .steps = steps_of(record),
                    .task = record.task};
  if (record.finished()) {
    reply.answer = record.failed() ? HelperAnswer::failed : HelperAnswer::done;
    reply.text = record.entries.back().text;
  }
  if (const auto command = command_of(record)) {
    reply.deploy = command->deploy;
    reply.condemned = command->condemned;
    reply.target = command->target;
  }
  return reply;
}

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
      return refused(Refusal::unsupported, "this version acts on signed commands only");
  }
  return refused(Refusal::unsupported, "not a verb that this version of Serin knows");
}

HelperReply Helper::status(const std::string& service) {
  const auto record = journals_.latest(service);
  if (!record) return {.answer = HelperAnswer::failed, .text = record.error().message};
  if (!*record) return {.answer = HelperAnswer::ok, .text = "no command was carried out yet"};
  if (!(*record)->finished()) continue_abandoned(service);
  return report(**record);
}

HelperReply Helper::inspect_service(const std::string& service) {
  const auto file = settings_.services / (service + ".toml");
  auto owned = check_owned_folder(settings_.services);
  if (owned) owned = check_owned_file(file);
  if (!owned) return refused(Refusal::not_owned, owned.error().message);
  const auto described = load_service_file(file);
  if (!described) return refused(Refusal::service, described.error().message);
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

HelperReply Helper::obey(const Command& command, const Bytes& envelope) {
  const auto service = check_address(command, settings_);
  if (!service) return refused(service.error().refusal, service.error().text);
  switch (command.kind) {
    case CommandKind::rollback:
    case CommandKind::drill:
      return take_in(command, *service, envelope);
    case CommandKind::cancel:
    case CommandKind::confirm:
      break;
  }
  return refused(
      Refusal::unsupported,
      fmt::format("commands of kind {} are not carried out by this version", name(command.kind)));
}

HelperReply Helper::take_in(const Command& command, const ServiceFile& service,
                            const Bytes& envelope) {
  const auto lock = journals_.lock();
  if (!lock) return {.answer = HelperAnswer::failed, .text = lock.error().message};

  const auto done = journals_.done(command.id);
  if (!done) return {.answer = HelperAnswer::failed, .text = done.error().message};
  if (*done) return report(**done);
  const auto pending = journals_.pending(command.service);
  if (!pending) return refused(Refusal::busy, pending.error().message);
  if (*pending && (*pending)->id == command.id) return status(command.service);
  if (*pending && !(*pending)->finished()) {
    return refused(Refusal::busy, fmt::format("command {} is being carried out", (*pending)->id));
  }
  const bool drill = command.kind == CommandKind::drill;
  const auto allowed = drill ? check_drill(command, service, settings_, clock_)
                             : check_conditions(command, service, settings_, clock_);
  if (!allowed) return refused(allowed.error().refusal, allowed.error().text);
  if (*pending) {
    if (auto moved = journals_.retire(**pending); !moved)
      return refused(Refusal::busy, moved.error().message);
  }
  const auto task = drill ? HelperTask::drill : HelperTask::rollback;
  auto created = journals_.create(
      {.service = command.service, .id = command.id, .task = task, .envelope = envelope},
      clock_.wall_us(), observer_);
  if (!created) return refused(Refusal::action, "nothing was done: " + created.error().message);
  log::info("{}: command {} accepted: {} from {} to {}", command.service, command.id,
            name(command.kind), command.condemned, command.target);
  observer_.reached("before launching");
  launch(command.service);
  return {.answer = HelperAnswer::accepted,
          .command = command.id,
          .deploy = command.deploy,
          .condemned = command.condemned,
          .target = command.target,
          .task = task};
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
