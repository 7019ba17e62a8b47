#pragma once

#include <expected>
#include <string>

#include "agent/rollback/clock.h"
#include "agent/rollback/settings.h"
#include "common/service_file.h"
#include "schema/messages.h"

// What must hold before a command is carried out. Asked when it arrives, and again before each
// action for as long as none has changed anything, since an hour and a reboot may lie between.

namespace serin::helper {

struct Refused {
  Refusal refusal = Refusal::none;
  std::string text;
};
template <typename T>
using Judged = std::expected<T, Refused>;

/// The service's own file, when root wrote it and nobody else may.
Judged<ServiceFile> check_service(const std::string& service, const Settings& settings);
/// The same, for a command that is for this host.
Judged<ServiceFile> check_address(const Command& command, const Settings& settings);
Judged<void> check_deadline(const Command& command, const Clock& clock);

/// Deadline, holds, what runs, the target, irreversibility, and that at least one action could
/// work.
Judged<void> check_conditions(const Command& command, const ServiceFile& service,
                              const Settings& settings, const Clock& clock);

/// Of these the last two: target and irreversibility, and that at least one action could work.
Judged<void> check_possible(const Command& command, const ServiceFile& service,
                            const Settings& settings, const Clock& clock);

/// Files of people that hold back every action on this host, or on this service.
Judged<void> check_holds(const std::string& service, const Settings& settings);

/// Whether one action of the list could work for this command, as far as looking tells.
Judged<void> check_entry(const ServiceFile::Rollback& entry, const ServiceFile& service,
                         const Command& command, const Settings& settings, const Clock& clock);

/// The link that an action of kind release_symlink switches.
std::filesystem::path link_of(const ServiceFile::Rollback& entry, const ServiceFile& service);

}  // namespace serin::helper
