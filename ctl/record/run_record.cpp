#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "common/file.h"
#include "ctl/record/recorder.h"
#include "ctl/run.h"
#include "ctl/show/words.h"

namespace serin::ctl {
namespace {

std::atomic<bool> told_to_end = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is set in a signal handler");

/// The first SIGINT or SIGTERM ends the recording in order, a second one at once.
void end_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { told_to_end = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

Result<UniqueFd> open_output(const std::string& file) {
  UniqueFd fd(file == "-" ? ::dup(STDOUT_FILENO)
                          : ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail(fmt::format("cannot write {}: {}", file, errno_text(errno)));
  return fd;
}

std::string summary(const Recorder::Outcome& outcome, const std::string& file) {
  std::string text = fmt::format("recorded {} messages to {}", grouped(outcome.lines),
                                 file == "-" ? "standard output" : file);
  if (outcome.lines > 0) text += fmt::format(" ({} to {})", outcome.first, outcome.last);
  return text;
}

Exit conclude(const Recorder::Outcome& outcome, const std::string& file, Console& console) {
  if (!outcome.answered) {
    complain(console, "nothing was recorded: there was no answer from NATS, or no stream");
    return Exit::not_yet;
  }
  console.err(summary(outcome, file) + "\n");
  if (!outcome.trouble.empty()) {
    complain(console, fmt::format("{}: the capture ends there", outcome.trouble));
    return Exit::failed;
  }
  if (outcome.unreadable > 0) {
    complain(console, fmt::format("{} messages could not be read and are left out",
                                  grouped(outcome.unreadable)));
  }
  if (!outcome.complete) {
    complain(console,
             "NATS went away before the end of the stream was reached: the last messages "
             "may be missing");
  }
  return outcome.complete && outcome.unreadable == 0 ? Exit::done : Exit::partly;
}

}  // namespace

Exit run(const RecordCommand& command, const Common& common, Console& console) {
  auto settings = load_settings(common);
  if (!settings) {
    complain(console, settings.error().message);
    return Exit::usage;
  }
  if (!command.nats.empty()) settings->nats = command.nats;
  if (command.credentials) settings->credentials = command.credentials;
  auto output = open_output(command.out);
  if (!output) {
    complain(console, output.error().message);
    return Exit::failed;
  }
  end_on_signals();
  StreamAccess stream(*settings);
  // A line is handed to the kernel whole and at once: a capture of a crash holds what led to it.
  const auto write = [&](std::string_view line) {
    return write_all(output->get(), line, command.out == "-" ? "standard output" : command.out);
  };
  Recorder recorder(stream,
                    {.from_start = command.from_start,
                     .until_idle = command.until_idle,
                     .seconds = command.seconds},
                    write, told_to_end, console);
  return conclude(recorder.run(), command.out, console);
}

}  // namespace serin::ctl
