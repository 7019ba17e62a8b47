#include "agent/sampler/helper_files.h"

#include <fmt/core.h>

#include "common/config.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using Line = ServiceCheck::Line;

/// The helper lets doubt hold it back, so only a file that is surely not there is none.
bool may_be_there(const fs::path& file) {
  std::error_code error;
  return fs::symlink_status(file, error).type() != fs::file_type::not_found;
}

Line host_line(const fs::path& file, const std::string& agent_host, const std::string& own_name) {
  std::string host = own_name;
  std::string whence = "this host's name";
  if (may_be_there(file)) {
    auto table = ConfigTable::parse_file(file);
    if (!table) {
      return {Line::Mark::note, "helper",
              fmt::format("whether it acts for \"{}\" is unknown: {}", agent_host,
                          table.error().message),
              fmt::format("let the agent's user read it: chmod 0644 {}", file.string())};
    }
    if (auto named = table->string("host")) {
      host = *named;
      whence = file.string();
    }
  }
  if (host == agent_host)
    return {Line::Mark::good, "helper", fmt::format("acts for \"{}\" ({})", host, whence)};
  return {Line::Mark::bad, "helper",
          fmt::format("acts for \"{}\" ({}) and would refuse what is meant for \"{}\"", host,
                      whence, agent_host),
          fmt::format("put host = \"{}\" into {}, unless it runs with --host", agent_host,
                      file.string())};
}

}  // namespace

std::vector<Line> check_helper_files(const fs::path& folder, const std::string& agent_host,
                                     const std::string& own_name,
                                     const std::vector<std::string>& services) {
  std::vector<Line> lines{host_line(folder / "rollback.toml", agent_host, own_name)};
  std::vector<fs::path> holds{folder / "hold"};
  for (const std::string& service : services) holds.push_back(folder / "hold.d" / service);
  for (const fs::path& hold : holds) {
    if (may_be_there(hold))
      lines.push_back({Line::Mark::bad, "hold",
                       fmt::format("{} holds back every action", hold.string()),
                       fmt::format("rm {}, when whoever made it agrees", hold.string())});
  }
  return lines;
}

}  // namespace serin::agent
