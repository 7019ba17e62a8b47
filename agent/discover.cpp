#include <fmt/core.h>

#include "agent/program.h"

namespace serin::agent {

Result<bool> run_discover(const DiscoverOptions& options,
                          const std::optional<std::filesystem::path>& write_to) {
  const HostTree host;
  const Discovery found = discover(host, options);
  if (write_to) {
    auto said = write_proposals(found, *write_to);
    if (!said) return std::unexpected(said.error());
    for (const auto& note : found.left_out) fmt::print("left out: {}: {}\n", note.what, note.why);
    for (const auto& line : *said) fmt::print("{}\n", line);
  } else {
    fmt::print("{}", printed(found, options.services));
  }
  for (const auto& problem : found.problems) fmt::print(stderr, "serin-agent: {}\n", problem);
  return found.problems.empty();
}

}  // namespace serin::agent
