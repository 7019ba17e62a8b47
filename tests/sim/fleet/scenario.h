#pragma once

#include <filesystem>
#include <string>

namespace serin::sim {

/// Runs a scenario file (a world, a timeline, what is expected); empty when all held, else what did not, one per line.
/// The words a file may use are described in scenarios/README.md.
std::string run_scenario(const std::filesystem::path& file);

}  // namespace serin::sim
