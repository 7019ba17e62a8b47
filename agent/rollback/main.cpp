#include <fmt/core.h>
#include <sys/signalfd.h>

#include <csignal>
#include <filesystem>

#include "agent/rollback/action.h"
#include "agent/rollback/helper.h"
#include "agent/rollback/launcher.h"
#include "agent/rollback/server.h"
#include "common/log.h"
#include "common/service_manager.h"

namespace serin::helper {
namespace {

constexpr int64_t kIdleUs =
    30 * kSecondUs;  // CONTRACTS §8: systemd starts us again at the next connection

int failed(const Error& error) {
  log::error("{}", error.message);
  return 1;
}

std::filesystem::path own_program() {
  std::error_code error;
  auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  // An upgrade replaces the file under our feet: what runs is still reachable.
  if (error || !std::filesystem::exists(program, error)) return "/proc/self/exe";
  return program;
}

UniqueFd stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

int listen(const Invocation& invocation) {
  const SystemClock clock;
  StepObserver observer;
  DetachedLauncher detached(own_program(), arguments_of(invocation.settings));
  UnitLauncher units(invocation.settings.systemctl);
  auto handed_over = handed_over_socket();
  if (!handed_over && invocation.socket.empty()) {
    return failed({"no socket: give --listen PATH, or start it by its systemd socket unit"});
  }
  const bool by_systemd = handed_over.has_value();
  auto listening =
      by_systemd ? Result<UniqueFd>(std::move(*handed_over)) : listen_at(invocation.socket);
  if (!listening) return failed(listening.error());
  ActionLauncher& launcher = by_systemd ? static_cast<ActionLauncher&>(units) : detached;
  Helper helper(invocation.settings, clock, launcher, observer);
  if (auto started = helper.start(); !started) return failed(started.error());
  const UniqueFd stop = stop_signals();
  notify_manager("READY=1");
  log::info("host {}: ready", invocation.settings.host);
  ServerOptions options{.idle_us = std::nullopt, .stop_fd = stop.get()};
  if (by_systemd) options.idle_us = kIdleUs;
  const auto served = serve(*listening, helper, invocation.settings, clock, options);
  notify_manager("STOPPING=1");
  if (!by_systemd) ::unlink(invocation.socket.c_str());
  return served ? 0 : failed(served.error());
}

int run(const Invocation& invocation) {
  const SystemClock clock;
  StepObserver observer;
  const auto done = run_action(invocation.service, invocation.settings, clock, observer);
  return done ? 0 : failed(done.error());
}

int resume(const Invocation& invocation) {
  const SystemClock clock;
  StepObserver observer;
  int status = 0;
  for (const auto& service : JournalFolder(invocation.settings.state).pending_services()) {
    log::warning("{}: an action was interrupted and is continued", service);
    const auto done = run_action(service, invocation.settings, clock, observer);
    if (!done) status = failed(done.error());
  }
  return status;
}

}  // namespace
}  // namespace serin::helper

int main(int argc, char** argv) {
  using namespace serin::helper;
  int status = 0;
  const auto invocation = read_invocation(argc, argv, status);
  if (!invocation) return status;
  // Errors of write() are handled where they happen: a full disk, a limit, a peer that left.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  serin::log::set_up("serin-rollback", serin::log::Level::info);
  switch (invocation->task) {
    case Invocation::Task::run:
      return run(*invocation);
    case Invocation::Task::resume:
      return resume(*invocation);
    case Invocation::Task::listen:
      break;
  }
  return listen(*invocation);
}
