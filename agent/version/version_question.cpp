#include "agent/version/version_question.h"

#include <fmt/core.h>

#include "agent/version/command_question.h"
#include "agent/version/http_question.h"
#include "agent/version/unit_question.h"
#include "common/ids.h"

namespace serin::agent {
namespace {

constexpr size_t kShownBytes = 60;

/// What is no text is shown as what it is.
std::string shown(std::string_view line) {
  std::string text;
  for (char c : line.substr(0, kShownBytes))
    text += c >= 0x20 && c < 0x7F ? std::string(1, c)
                                  : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return line.size() > kShownBytes ? text + "…" : text;
}

}  // namespace

Result<std::string> version_in(std::string_view answer) {
  constexpr std::string_view kBlanks = " \t\r";
  std::string_view line = answer.substr(0, answer.find('\n'));
  size_t begin = std::min(line.find_first_not_of(kBlanks), line.size());
  line = line.substr(begin, line.find_last_not_of(kBlanks) + 1 - begin);
  if (is_version(line)) return std::string(line);
  if (line.empty()) return fail("its first line is empty, and so no version");
  return fail(
      fmt::format("its first line is no version (1 to 128 bytes of plain text): {}", shown(line)));
}

Result<std::unique_ptr<VersionQuestion>> make_version_question(const ServiceFile& service,
                                                               uv_loop_t* loop,
                                                               UnitManager* units) {
  if (const auto* command = std::get_if<ServiceFile::VersionCommand>(&service.version))
    return std::make_unique<CommandQuestion>(loop, command->argv);
  if (const auto* http = std::get_if<ServiceFile::VersionHttp>(&service.version))
    return std::make_unique<HttpQuestion>(loop, *http);
  const auto* property = std::get_if<ServiceFile::VersionUnitProperty>(&service.version);
  if (property == nullptr) return nullptr;
  const auto* by = std::get_if<ServiceFile::ByUnit>(&service.process);
  if (by == nullptr || units == nullptr)
    return fail(service.name + ": no unit manager to ask for a property of its unit");
  return std::make_unique<UnitQuestion>(loop, *units, by->units, *property);
}

}  // namespace serin::agent
