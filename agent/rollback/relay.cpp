#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "agent/rollback/client.h"
#include "agent/rollback/relayed.h"
#include "common/log.h"
#include "common/loop.h"
#include "schema/wire.h"

namespace serin::agent {
namespace {

constexpr uint64_t kPollMs = 200;  // CONTRACTS §8: at most 5 a second
constexpr uint64_t kLastRetryMs = 2'000;
constexpr uint64_t kUnreachableMs =
    10'000;  // then it is told, and an end of the process is no longer expected
constexpr uint64_t kGiveUpAskingMs =
    60'000;  // without a command: a host without a helper is not asked for ever
constexpr uint64_t kGiveUpWatchingMs = 900'000;  // an action ends by itself after 14 minutes
constexpr uint64_t kLookEveryMs = 600'000;  // whether a rollback would work, while nothing happens
constexpr uint64_t kLookAgainMs = 5'000;    // after a version start, of which there may be many
constexpr int64_t kReportAgainUs = int64_t{3600} * 1'000'000;
constexpr size_t kMostRemembered =
    8;  // commands of one service whose reported steps are remembered

bool finished(const HelperReply& reply) {
  return reply.answer == HelperAnswer::done || reply.answer == HelperAnswer::failed;
}

}  // namespace

struct CommandRelay::State {
  uv_loop_t* loop;
  HelperClient& helper;
  std::string host;
  Emit emit;
  Heard heard;
  WallClock wall_us;
  std::map<std::string, Relayed> services;

  void ask(Relayed& service) {
    if (service.call_open || (!service.delivery && !service.asking_status)) return;
    service.call_open = true;
    HelperRequest request{.verb = HelperVerb::status, .service = service.name, .command = {}};
    if (service.delivery) {
      request = {.verb = HelperVerb::execute,
                 .service = service.name,
                 .command = service.delivery->envelope};
    }
    const std::string about = service.delivery ? service.delivery->command.id : std::string();
    helper.call(request, [weak = self, name = service.name, about](Result<HelperReply> reply) {
      const auto state = weak.lock();
      if (!state) return;
      auto& answered = state->services.at(name);
      answered.call_open = false;
      state->take(answered, about, reply);
    });
  }

  void ask_later(Relayed& service, uint64_t after_ms) { service.timer->start(after_ms); }

  void take(Relayed& service, const std::string& about, const Result<HelperReply>& reply) {
    // A newer command may have been delivered meanwhile: it is still to be asked about.
    const bool current = service.delivery && service.delivery->command.id == about;
    if (!reply) {
      unanswered(service, reply.error().message);
      return;
    }
    service.retry_ms = Relayed::kFirstRetryMs;
    service.unanswered_since_ms.reset();
    service.told_unreachable = false;
    if (about.empty())
      take_status(service, *reply);
    else
      take_outcome(service, current, about, *reply);
    if (service.delivery)
      ask(service);
    else
      ask_later(service, service.asking_status ? kPollMs : kLookEveryMs);
  }

  void take_status(Relayed& service, const HelperReply& reply) {
    service.take_progress(reply);
    service.asking_status = reply.answer == HelperAnswer::in_progress;
    service.looked_ms = uv_now(loop);
    if (!service.asking_status && heard) heard(service.name, reply);
    const bool old = finished(reply) && !reply.steps.empty() &&
                     !service.reported.contains(reply.command) &&
                     wall_us() - reply.steps.back().wall_us > kReportAgainUs;
    if (!old) report(service, reply);
  }

  void take_outcome(Relayed& service, bool current, const std::string& id,
                    const HelperReply& reply) {
    std::string cancelled;
    if (current) {
      cancelled = service.delivery->command.supersedes;
      if (reply.answer == HelperAnswer::refused)
        refuse(service, fmt::format("{}: {}", name(reply.refusal), reply.text));
      // Without a journal's steps `failed` says that the helper could not even look: nothing was
      // done.
      if (reply.answer == HelperAnswer::failed && reply.steps.empty())
        refuse(service, "failed: " + reply.text);
      service.delivery.reset();
    }
    if (reply.answer == HelperAnswer::refused) return;
    if (reply.answer == HelperAnswer::accepted || reply.answer == HelperAnswer::in_progress)
      service.take_progress(reply);
    // What it means for the next rollback is asked for at once.
    service.asking_status = true;
    if (reply.command == id) {
      report(service, reply);
    } else if (reply.command == cancelled && !report(service, reply) && !reply.steps.empty()) {
      // Told before, maybe; but whoever cancelled it waits for an answer.
      emit(step_event(service.name, reply.task, reply.command, reply.deploy, reply.target,
                      reply.steps.back()));
    }
  }

  void unanswered(Relayed& service, const std::string& why) {
    const uint64_t now = uv_now(loop);
    if (!service.unanswered_since_ms) service.unanswered_since_ms = now;
    const uint64_t silent_ms = now - *service.unanswered_since_ms;
    if (service.delivery && wall_us() > service.delivery->command.not_after_us) {
      refuse(service, "expired: " + why);
      service.delivery.reset();
    } else if (service.delivery && silent_ms >= kUnreachableMs && !service.told_unreachable) {
      service.told_unreachable = true;
      refuse(service, "unreachable: " + why + "; it is tried until the command's deadline");
    }
    const uint64_t patience = service.in_progress ? kGiveUpWatchingMs : kGiveUpAskingMs;
    if (!service.delivery && silent_ms >= patience) {
      service.asking_status = false;
      service.in_progress = false;
      if (heard) heard(service.name, fail(why));
      return ask_later(service, kLookEveryMs);
    }
    ask_later(service, service.retry_ms);
    service.retry_ms = std::min(service.retry_ms * 2, kLastRetryMs);
  }

  void refuse(Relayed& service, const std::string& reason) {
    const Command& command = service.delivery->command;
    // The bus hands over the last command at every reconnect: the same answer to the same revision
    // is told once.
    const auto key = fmt::format("{}/{}/{}", command.id, command.revision, reason);
    if (std::exchange(service.last_refusal, key) == key) return;
    emit(step_event(service.name, task_of(command), command.id, command.deploy, command.target,
                    {"refused", reason, wall_us()}));
  }

  /// Whether there was anything new to tell.
  bool report(Relayed& service, const HelperReply& reply) {
    if (reply.command.empty()) return false;
    bool some = false;
    if (!service.reported.contains(reply.command) && service.reported.size() >= kMostRemembered) {
      service.reported.clear();
    }
    auto& reported = service.reported[reply.command];
    for (const HelperStep& step : reply.steps) {
      if (!reported.insert(fmt::format("{} {}", step.wall_us, step.name)).second) continue;
      emit(step_event(service.name, reply.task, reply.command, reply.deploy, reply.target, step));
      some = true;
    }
    return some;
  }

  /// The timer: with a command it is asked about that, else how things stand.
  void turn(Relayed& service) {
    if (!service.delivery) service.asking_status = true;
    ask(service);
  }

  void look_again(Relayed& service) {
    if (service.call_open || service.delivery || service.asking_status) return;
    const uint64_t due_ms = service.looked_ms == 0 ? 0 : service.looked_ms + kLookAgainMs;
    const uint64_t now_ms = uv_now(loop);
    service.timer->start(due_ms > now_ms ? due_ms - now_ms : 0);
  }

  void take_hint(Relayed& service, const Result<HelperReply>& reply) {
    const bool accepted = reply && reply->answer == HelperAnswer::accepted;
    if (accepted) {
      service.last_hint.clear();
      service.asking_status = true;
      return ask(service);
    }
    const auto why =
        !reply ? reply.error().message : fmt::format("{}: {}", name(reply->refusal), reply->text);
    if (std::exchange(service.last_hint, why) != why)
      log::warning("{}: cut off and failing; the helper does nothing: {}", service.name, why);
  }

  std::weak_ptr<State> self;
};

int64_t CommandRelay::system_wall_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

CommandRelay::CommandRelay(uv_loop_t* loop, HelperClient& helper, std::vector<std::string> services,
                           std::string host, Emit emit, Heard heard, WallClock wall_us)
    : state_(std::make_shared<State>(State{.loop = loop,
                                           .helper = helper,
                                           .host = std::move(host),
                                           .emit = std::move(emit),
                                           .heard = std::move(heard),
                                           .wall_us = std::move(wall_us),
                                           .services = {},
                                           .self = {}})) {
  state_->self = state_;
  for (auto& name : services) {
    auto& service = state_->services[name];
    service.name = std::move(name);
    service.timer.emplace(loop, [state = state_.get(), &service] { state->turn(service); });
    service.timer->start(0);
  }
}

CommandRelay::~CommandRelay() {
  state_->services.clear();
}

void CommandRelay::deliver(const std::string& service, Bytes signed_command) {
  // Read without trust, only to say what is refused; the helper verifies it.
  const auto envelope = wire::decode_signed(signed_command);
  const auto command = envelope ? wire::decode_command(envelope->payload)
                                : Result<Command>(std::unexpected(envelope.error()));
  const auto refuse = [&](const std::string& reason) {
    const auto known = command.value_or(Command{});
    state_->emit(step_event(service, task_of(known), known.id, known.deploy, known.target,
                            {"refused", reason, state_->wall_us()}));
  };
  if (!command) return refuse("bad_request: " + command.error().message);
  const auto found = state_->services.find(service);
  if (found == state_->services.end()) return refuse("service: not watched on this host");
  found->second.delivery = Delivery{std::move(signed_command), *command};
  found->second.retry_ms = Relayed::kFirstRetryMs;
  state_->ask(found->second);
}

void CommandRelay::look_again(const std::string& service) {
  const auto found = state_->services.find(service);
  if (found != state_->services.end()) state_->look_again(found->second);
}

void CommandRelay::hint_dead_man(const std::string& service) {
  const auto found = state_->services.find(service);
  if (found == state_->services.end() || found->second.delivery || found->second.in_progress)
    return;
  state_->helper.call({.verb = HelperVerb::dead_man, .service = service, .command = {}},
                      [weak = state_->self, service](const Result<HelperReply>& reply) {
                        const auto state = weak.lock();
                        if (state) state->take_hint(state->services.at(service), reply);
                      });
}

bool CommandRelay::acting(const std::string& service) const {
  const auto found = state_->services.find(service);
  if (found == state_->services.end()) return false;
  const Relayed& relayed = found->second;
  return relayed.in_progress || (relayed.delivers_action() && !relayed.told_unreachable);
}

std::optional<Cause> CommandRelay::cause_of(const std::string& service,
                                            const std::string& version) const {
  return acting(service) ? state_->services.at(service).cause_of(version) : std::nullopt;
}

}  // namespace serin::agent
