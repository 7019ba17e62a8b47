#include "agent/service/unit_follower.h"

#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>

namespace serin::agent {
namespace {

using Whence = UnitWord::Whence;

/// How the unit's last main process ended; empty while it lives.
ExitStatus status_of(const UnitWord& word) {
  if (word.exit_kind == CLD_EXITED) return {.exit_code = word.exit_value, .signal = {}};
  if (word.exit_kind == CLD_KILLED || word.exit_kind == CLD_DUMPED)
    return {.exit_code = {}, .signal = word.exit_value};
  return {};
}

/// Results that a stop by hand can have; watchdog, oom-kill and the like stop a unit too, on the
/// manager's own account.
bool may_be_a_stop(const std::string& result) {
  return result == "success" || result == "exit-code" || result == "signal" ||
         result == "core-dump";
}

/// The unit left its active state while its main process still lived.
bool asked_by_times(const UnitWord& word) {
  return may_be_a_stop(word.result) && word.active_exit_us != 0 &&
         word.active_exit_us >= word.main_start_us && word.active_exit_us < word.main_exit_us;
}

std::string reason_of(const UnitWord& word) {
  return word.result == "success" ? std::string{} : word.result;
}

/// "exit-code (exit status 3), after 5 automatic restarts".
std::string failure_of(const UnitWord& word, const ExitStatus& status) {
  std::string text = word.result.empty() ? "failed" : word.result;
  if (status.exit_code) text += fmt::format(" (exit status {})", *status.exit_code);
  if (status.signal) text += fmt::format(" (signal {})", *status.signal);
  if (word.restarts > 0) text += fmt::format(", after {} automatic restarts", word.restarts);
  return text;
}

bool is_whole(const UnitWord& word) {
  return word.whence != Whence::signal;
}

}  // namespace

void UnitFollower::take(const UnitWord& word) {
  if (current_) {
    note_asked(word);
    follow_current(word);
  }
  if (!current_ && is_whole(word)) look_for_start(word);
  if (word.whence == Whence::settled) look_for_failure(word);
  if (!is_whole(word)) return;
  bool first = std::exchange(first_word_, false);
  bool loaded_and_down = word.active_state == "inactive" || word.active_state == "failed";
  if (first && !current_ && loaded_and_down)
    handlers_.rests(asked_by_times(word) ||
                    (word.active_state == "inactive" && word.main_exit_us == 0));
}

void UnitFollower::note_asked(const UnitWord& word) {
  if (word.invocation == current_->invocation && word.active_state == "deactivating" &&
      word.main_pid == current_->process.pid && word.result == "success")
    current_->asked = true;
}

void UnitFollower::follow_current(const UnitWord& word) {
  if (word.invocation == current_->invocation) return follow_main(word);
  if (!is_whole(word)) return;  // a signal may tell of the pid before it tells of the invocation
  UnitEnd gone{.generation = current_->process.generation, .status = current_->status};
  // Unloaded, so not failed; or started anew: the count of automatic restarts says by whom.
  gone.asked = current_->asked || word.invocation.empty() || word.restarts <= current_->restarts;
  end(std::move(gone));
}

void UnitFollower::follow_main(const UnitWord& word) {
  if (word.main_pid == current_->process.pid) {
    current_->named = true;
    if (current_->process.cgroup.empty()) current_->process.cgroup = word.cgroup;
    return;
  }
  if (word.main_pid != 0) {
    if (!is_whole(word)) return;
    return end({.generation = current_->process.generation, .asked = true, .replaced = true});
  }
  if (word.is_active()) return carry_on_or_end(word);
  UnitEnd gone{.generation = current_->process.generation,
               .status = current_->status,
               .asked = current_->asked,
               .reason = reason_of(word)};
  if (word.last_main_pid == current_->process.pid) {
    gone.status = status_of(word);
    gone.asked = current_->asked || asked_by_times(word);
  } else if (!current_->named && word.active_state == "deactivating") {
    if (current_->alive) return void(current_->asked = word.result == "success");
  }
  end(std::move(gone));
}

/// Active without a main process: a daemon whose manager could not tell which one it is. The oldest
/// process of its cgroup stands for it.
void UnitFollower::carry_on_or_end(const UnitWord& word) {
  if (word.whence != Whence::settled) return;
  auto pids = processes_of_(word.cgroup);
  if (std::ranges::find(pids, current_->process.pid) != pids.end() && current_->alive) return;
  if (pids.empty())
    return end({.generation = current_->process.generation,
                .status = current_->status,
                .asked = current_->asked});
  current_->process.pid = last_pid_ = pids.front();
  current_->named = false;
  current_->alive = true;
  handlers_.carried_on(current_->process);
}

void UnitFollower::end(UnitEnd gone) {
  last_asked_ = gone.asked.value_or(false);
  current_.reset();
  handlers_.ended(gone);
}

void UnitFollower::process_ended(const ExitStatus& status) {
  if (!current_) return;
  current_->alive = false;
  current_->status = status;
}

void UnitFollower::give_up() {
  if (!awaits_word()) return;
  UnitEnd gone{.generation = current_->process.generation, .status = current_->status};
  if (current_->asked) gone.asked = true;
  end(std::move(gone));
}

std::string UnitFollower::generation_of(const UnitWord& word, int32_t pid) const {
  std::string generation = fmt::format("{}:{}", word.unit, word.invocation);
  return word.invocation == last_invocation_ ? fmt::format("{}:{}", generation, pid) : generation;
}

void UnitFollower::look_for_start(const UnitWord& word) {
  if (word.invocation.empty()) return;
  bool known = word.invocation == last_invocation_;
  if (word.main_pid != 0) {
    if (!known || word.main_pid != last_pid_) begin(word, word.main_pid, true);
    return;
  }
  if (word.is_active()) {
    if (word.whence != Whence::settled) return;
    auto pids = processes_of_(word.cgroup);
    if (!pids.empty() && (!known || pids.front() != last_pid_)) begin(word, pids.front(), false);
    return;
  }
  bool coming = word.active_state == "activating" && word.sub_state != "auto-restart";
  if (!known && !coming && word.active_state != "deactivating") tell_one_that_is_gone(word);
}

void UnitFollower::begin(const UnitWord& word, int32_t pid, bool named) {
  UnitProcess process{.generation = generation_of(word, pid),
                      .pid = pid,
                      .start_wall_us = named ? word.main_start_wall_us : 0,
                      .cgroup = word.cgroup};
  last_invocation_ = word.invocation;
  last_pid_ = pid;
  last_main_start_us_ = std::max(last_main_start_us_, word.main_start_us);
  last_asked_ = false;
  current_ = Current{
      .process = process, .invocation = word.invocation, .restarts = word.restarts, .named = named};
  handlers_.began(process);
}

void UnitFollower::tell_one_that_is_gone(const UnitWord& word) {
  // A start that failed before its main process leaves what the manager knew of the one before.
  bool had_main = word.main_start_us > last_main_start_us_;
  last_main_start_us_ = std::max(last_main_start_us_, word.main_start_us);
  UnitProcess process{.generation = generation_of(word, word.last_main_pid),
                      .pid = had_main ? word.last_main_pid : 0,
                      .start_wall_us = had_main ? word.main_start_wall_us : 0,
                      .cgroup = {},
                      .gone = true};
  last_invocation_ = word.invocation;
  last_pid_ = process.pid;
  last_asked_ = had_main && asked_by_times(word);
  if (first_word_) return;  // it ended before anybody watched
  handlers_.began(process);
  handlers_.ended({.generation = process.generation,
                   .status = had_main ? status_of(word) : ExitStatus{},
                   .asked = last_asked_,
                   .reason = reason_of(word)});
}

void UnitFollower::look_for_failure(const UnitWord& word) {
  if (current_ || word.active_state != "failed" || word.state_change_us == failed_at_us_) return;
  failed_at_us_ = word.state_change_us;
  if (last_asked_ || asked_by_times(word)) return;
  bool had_main = last_pid_ != 0 && word.last_main_pid == last_pid_;
  handlers_.failed(failure_of(word, had_main ? status_of(word) : ExitStatus{}));
}

}  // namespace serin::agent
