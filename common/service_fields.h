#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"
#include "common/service_file.h"

/// What the readers of a service file share. Each records a problem in the table and then answers
/// nothing.
namespace serin::service_fields {

/// Longer texts than this are no path, name or argument that the kernel or systemd would take.
inline constexpr size_t kMostTextBytes = 4095;

bool has_control(std::string_view text);
/// An absolute path without "..".
std::optional<std::filesystem::path> path(ConfigTable& table, std::string_view key);
bool is_unit_name(std::string_view name);
/// One of the words that there are; the rest is refused, those in `later` as not supported by this
/// version.
std::optional<std::string> word(ConfigTable& table, std::string_view key,
                                std::span<const std::string_view> known,
                                std::span<const std::string_view> later);
/// The program, absolute, and its arguments.
std::optional<std::vector<std::string>> argv(ConfigTable& table, std::string_view key);
/// "a, b and c".
std::string listed(std::span<const std::string_view> words);

/// service_version.cpp: where the version comes from.
void read_version(ConfigTable& root, ServiceFile& service);
/// The same, once all was read: can the helper act on it?
void check_asked_version(ConfigTable& root, const ServiceFile& service);
/// service_probe.cpp: requests that the agent makes itself.
void read_probe(ConfigTable& table, ServiceFile::Requests& requests);
void check_probes(ConfigTable& root, const ServiceFile& service);
/// service_requests.cpp
ServiceFile::Requests read_requests(ConfigTable& table, const std::string& service_name);
ServiceFile::Business read_business(ConfigTable& table);
ServiceFile::Class read_class(ConfigTable& table);
/// What only the whole file tells: a class has a source that can tell it, and a source counts
/// something.
void check_classes(ConfigTable& root, const ServiceFile& service);
void check_counts(ConfigTable& table, const ServiceFile::Requests& requests,
                  const ServiceFile& service);
/// service_actions.cpp: the action of a [[rollback]] and what belongs to it.
void read_action(ConfigTable& table, const ServiceFile& service, ServiceFile::Rollback& rollback);
/// service_rollback.cpp
ServiceFile::Rollback read_rollback(ConfigTable& table, const ServiceFile& service);

}  // namespace serin::service_fields
