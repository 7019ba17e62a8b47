#include "agent/rollback/restart.h"

#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "agent/rollback/locate.h"
#include "agent/rollback/program.h"
#include "agent/rollback/trust.h"
#include "common/file.h"
#include "common/log.h"

namespace serin::helper {
namespace {

constexpr int64_t kAskManagerUs = 5 * kSecondUs;

struct NamedSignal {
  std::string_view name;
  int number;
};
// Those that services restart or reload on. KILL is there for services that deserve it.
constexpr std::array<NamedSignal, 7> kSignals = {{{"HUP", SIGHUP},
                                                  {"TERM", SIGTERM},
                                                  {"INT", SIGINT},
                                                  {"QUIT", SIGQUIT},
                                                  {"USR1", SIGUSR1},
                                                  {"USR2", SIGUSR2},
                                                  {"KILL", SIGKILL}}};

Result<int> signal_number(std::string_view name) {
  if (name.starts_with("SIG")) name.remove_prefix(3);
  const auto found = std::ranges::find(kSignals, name, &NamedSignal::name);
  if (found == kSignals.end()) return fail(fmt::format("signal {} is not known", name));
  return found->number;
}

ProgramRun systemctl(const Settings& settings, std::vector<std::string> words, int64_t deadline) {
  ProgramRun run{.argv = {settings.systemctl.native()},
                 .environment = {},
                 .deadline_boot_us = deadline,
                 .before_start = {}};
  for (auto& word : words) run.argv.push_back(std::move(word));
  return run;
}

Result<void> check_unit(const std::string& unit, const Settings& settings, const Clock& clock) {
  const auto state = ask_program(systemctl(settings, {"show", "--property=LoadState", "--", unit},
                                           clock.boot_us() + kAskManagerUs),
                                 clock);
  if (!state) return std::unexpected(state.error());
  if (!state->starts_with("LoadState=loaded")) {
    return fail(
        fmt::format("unit {} cannot be restarted: {}", unit, state->substr(0, state->find('\n'))));
  }
  return {};
}

/// By pidfd, and only when it is still the process that was found: a pid may have been given anew.
Result<void> send_signal(int number, const Process& process, const Settings& settings) {
  const UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  const auto now = read_process(settings.proc, process.pid);
  if (!now || now->start_ticks != process.start_ticks) return {};  // it ended: what was wanted
  if (!fd) return fail(fmt::format("process {}: {}", process.pid, errno_text(errno)));
  if (::syscall(SYS_pidfd_send_signal, fd.get(), number, nullptr, 0) != 0 && errno != ESRCH) {
    return fail(fmt::format("signal {} to process {}: {}", number, process.pid, errno_text(errno)));
  }
  return {};
}

Result<void> restart_unit(const std::string& unit, const RestartRun& run, const Settings& settings,
                          const Clock& clock) {
  // A crash loop leaves the unit at its start limit, and a restart would then fail. That it was not
  // failed is no error.
  auto reset = systemctl(settings, {"reset-failed", "--", unit}, run.deadline_boot_us);
  if (auto done = run_program(reset, clock); !done) log::debug("{}", done.error().message);
  // A package may have brought another unit file along. systemd tells by itself only of one that is
  // newer, and an older version's is older.
  if (run.entry.action == "package") {
    auto reloaded =
        run_program(systemctl(settings, {"daemon-reload"}, run.deadline_boot_us), clock);
    if (!reloaded) return reloaded;
  }
  return run_program(systemctl(settings, {"restart", "--", unit}, run.deadline_boot_us), clock);
}

Result<void> signal_service(const std::string& name, const RestartRun& run,
                            const Settings& settings, const Clock& clock) {
  const auto number = signal_number(name);
  if (!number) return std::unexpected(number.error());
  const auto found = locate(run.service, settings, clock);
  if (!found) return std::unexpected(found.error());
  for (const Located& each : *found) {
    if (auto sent = send_signal(*number, each.process, settings); !sent) return sent;
  }
  return {};
}

}  // namespace

Result<void> check_restart(const ServiceFile::Rollback& entry, const Settings& settings,
                           const Clock& clock) {
  if (const auto* unit = std::get_if<ServiceFile::RestartUnit>(&entry.restart)) {
    return check_unit(unit->unit, settings, clock);
  }
  if (const auto* command = std::get_if<ServiceFile::RestartCommand>(&entry.restart)) {
    if (command->argv.empty()) return fail("the restart command is empty");
    const auto owned = owned_program(command->argv.front());
    if (!owned) return std::unexpected(owned.error());
  }
  if (const auto* signal = std::get_if<ServiceFile::RestartSignal>(&entry.restart)) {
    const auto number = signal_number(signal->signal);
    if (!number) return std::unexpected(number.error());
  }
  return {};
}

std::string unit_words(const ServiceFile::Rollback& entry, const Settings& settings,
                       const Clock& clock) {
  const auto* unit = std::get_if<ServiceFile::RestartUnit>(&entry.restart);
  if (unit == nullptr) return {};
  const auto words = ask_program(
      systemctl(settings, {"show", "--property=ExecStart,WorkingDirectory", "--", unit->unit},
                clock.boot_us() + kAskManagerUs),
      clock);
  return words.value_or(std::string());
}

Result<void> restart(const RestartRun& run, const Settings& settings, const Clock& clock) {
  if (const auto* unit = std::get_if<ServiceFile::RestartUnit>(&run.entry.restart)) {
    return restart_unit(unit->unit, run, settings, clock);
  }
  if (const auto* command = std::get_if<ServiceFile::RestartCommand>(&run.entry.restart)) {
    const auto program =
        owned_program(command->argv.front());  // an hour after the preflight, maybe
    if (!program) return std::unexpected(program.error());
    return run_program({.program = *program,
                        .argv = command->argv,
                        .environment = environment_of(run.command),
                        .deadline_boot_us = run.deadline_boot_us,
                        .before_start = run.before_start},
                       clock);
  }
  if (const auto* signal = std::get_if<ServiceFile::RestartSignal>(&run.entry.restart)) {
    return signal_service(signal->signal, run, settings, clock);
  }
  return {};
}

std::vector<std::string> environment_of(const Command& command) {
  return {"SERIN_SERVICE=" + command.service, "SERIN_TARGET=" + command.target};
}

}  // namespace serin::helper
