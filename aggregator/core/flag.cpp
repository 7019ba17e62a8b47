#include <fmt/core.h>

#include "aggregator/core/state.h"
#include "aggregator/core/words.h"

namespace serin::core {

/// Where only a flag was turned off and no recovery shows, the same hosts are commanded once more:
/// their helpers find the flag off and go on to their next action. False where no host is left that
/// runs the version on.
bool Fold::State::flag_did_not_help(Service& service, Deploy& deploy) {
  std::vector<std::string> hosts;
  for (Canary& canary : deploy.canaries) {
    if (!canary.flag_off || canary.left) continue;
    canary.flag_off = false;
    canary.restored_us = canary.verified_us = 0;
    canary.command.clear();
    canary.step.clear();
    canary.reason.clear();
    canary.revision = 0;
    ++canary.ordinal;
    canary.target = target_for(service, deploy, canary);
    hosts.push_back(canary.name);
  }
  if (hosts.empty()) return false;
  deploy.state = DeployState::rolling_back;
  deploy.recovery.reset();
  deploy.recovery_requests = 0;
  deploy.recovery_quiet_seconds = 0;
  const std::string text =
      fmt::format("{} {} is not well on {} with its flag off either: the version is put back",
                  service.name, deploy.version, words_list(hosts));
  deploy.note(now_us, "note", "", text);
  tell("rollback", deploy, text, "flag");
  plan_commands(service, deploy);
  return true;
}

}  // namespace serin::core
