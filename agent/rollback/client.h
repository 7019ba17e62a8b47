#pragma once

#include <uv.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "schema/messages.h"

namespace serin::agent {

/// Asks the root helper over its SOCK_SEQPACKET unix socket: one request and one reply per
/// connection. Asynchronous on the loop, at most 2 s, one outstanding request per call (calls may
/// overlap).
class HelperClient {
 public:
  using Answer = std::function<void(Result<HelperReply>)>;
  HelperClient(uv_loop_t* loop, std::filesystem::path socket);
  ~HelperClient();  ///< outstanding calls are dropped unanswered
  void call(const HelperRequest& request, Answer answer);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Carries a signed command to the helper and reports what becomes of it: every new step once, as a
/// rollback_step or drill_step event (step, reason, command, deploy, version = target), polling
/// `status` at most 5 times a second while in progress, also after a restart of agent or helper: it
/// asks for each service at start. What was reported is remembered in memory only, so a restart of
/// the agent reports the steps of the last hour again; the command id and the step name them. A
/// refusal is the step `refused` with the reason "<refusal>: text"; a helper that does not answer
/// for 10 s is refused("unreachable: …") once, and is tried on until the command's deadline. While
/// nothing happens it is asked every 10 min how things stand, and after each command, and when told
/// to.
class CommandRelay {
 public:
  using Emit =
      std::function<void(Event)>;  ///< service, kind, step … filled; identity is the uplink's
  /// What a status says while nothing is carried out; an error once the helper is given up on.
  using Heard = std::function<void(const std::string& service, const Result<HelperReply>&)>;
  using WallClock = std::function<int64_t()>;  ///< the host's own, in µs
  /// `helper` must outlive it.
  CommandRelay(uv_loop_t* loop, HelperClient& helper, std::vector<std::string> services,
               std::string host, Emit emit, Heard heard = {}, WallClock wall_us = system_wall_us);
  ~CommandRelay();
  void deliver(const std::string& service, Bytes signed_command);
  /// True from the delivery of a command until it is refused or finished: a process end is then
  /// expected.
  [[nodiscard]] bool acting(const std::string& service) const;
  /// While acting(): why a start of `version` is what that leads to. Nullopt where it is not, and
  /// while a helper that was at work before us has not said yet where to.
  [[nodiscard]] std::optional<Cause> cause_of(const std::string& service,
                                              const std::string& version) const;
  /// Something else runs: asks how things stand now.
  void look_again(const std::string& service);
  /// We are cut off, and the service fails. The helper believes none of it and looks itself.
  void hint_dead_man(const std::string& service);

 private:
  static int64_t system_wall_us();
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace serin::agent
