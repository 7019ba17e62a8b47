#pragma once

#include <functional>

#include "agent/rollback/clock.h"
#include "agent/rollback/process.h"
#include "agent/rollback/settings.h"
#include "common/service_file.h"
#include "schema/messages.h"

namespace serin::helper {

/// Whether a restart could work at all: the unit is loaded, the program is root's, the signal
/// exists.
Result<void> check_restart(const ServiceFile::Rollback& entry, const Settings& settings,
                           const Clock& clock);

/// What the unit of a restart would execute, and where, in systemctl's words; empty where it is
/// none, or does not tell.
std::string unit_words(const ServiceFile::Rollback& entry, const Settings& settings,
                       const Clock& clock);

struct RestartRun {
  const ServiceFile::Rollback& entry;
  const ServiceFile& service;
  const Command& command;
  int64_t deadline_boot_us = 0;
  /// A command's process, before it begins.
  std::function<Result<void>(const Process&)> before_start;
};

/// Asks for the restart and waits until it has been carried out, which does not mean that the
/// service runs. Nothing is done where nothing is configured, or where a signal finds no process.
Result<void> restart(const RestartRun& run, const Settings& settings, const Clock& clock);

/// "SERIN_SERVICE=…", "SERIN_TARGET=…": all that a command of root's learns, beside PATH.
std::vector<std::string> environment_of(const Command& command);

}  // namespace serin::helper
