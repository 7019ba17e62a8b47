#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "agent/rollback/clock.h"
#include "agent/rollback/process.h"
#include "common/error.h"

namespace serin::helper {

struct ProgramRun {
  std::filesystem::path program{};  ///< what is executed; empty: argv's first, as it is
  std::vector<std::string> argv;    ///< an absolute program and its arguments; there is no shell
  std::vector<std::string> environment;  ///< "NAME=value"; PATH is added
  int64_t deadline_boot_us = 0;          ///< then it and its process group are killed
  /// Called with the program's process before it may begin: an error keeps it from beginning at
  /// all.
  std::function<Result<void>(const Process&)> before_start;
};

/// Runs it in a process group of its own, standard input empty, output where ours goes. Fine when
/// it exits 0; errors say whether it could not start, exited otherwise, was ended by a signal, or
/// was killed at the deadline.
Result<void> run_program(const ProgramRun& run, const Clock& clock);

/// The same, and what it printed on standard output (of more than 64 KiB the end).
Result<std::string> ask_program(const ProgramRun& run, const Clock& clock);

struct Heard {
  Result<void> ended;
  std::string output;  ///< standard output and standard error (of more than 64 KiB the end)
};
/// The same, and everything it said, however it ended.
Heard hear_program(const ProgramRun& run, const Clock& clock);

/// Waits for a program of an earlier run to end, as it was journalled; kills its group at the
/// deadline.
Result<void> wait_for_orphan(const std::filesystem::path& proc, const Process& orphan,
                             int64_t deadline_boot_us, const Clock& clock);

}  // namespace serin::helper
