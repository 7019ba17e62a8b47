#include "agent/sampler/recorder_check.h"

#include <fmt/core.h>

#include "agent/recorder/source.h"

namespace serin::agent {

std::vector<ServiceCheck::Line> check_recorder(const ServiceFile& service, size_t index,
                                               const Timeline& timeline, std::string_view boot_id) {
  using Line = ServiceCheck::Line;
  HostClock clock;
  auto source = RecorderSource::make(
      service, index, {.state_dir = {}, .judge = {.boot_id = std::string(boot_id)}}, clock);
  const std::string include =
      "does the application include serin_recorder.h, and may its user write into that folder?";
  if (!source) return {{Line::Mark::bad, "requests", source.error().message, include}};
  Tallies tallies(service.business.size());
  (*source)->poll(timeline, clock.now().wall_us, tallies);
  std::vector<Line> lines;
  size_t recording = 0;
  uint64_t requests = 0;
  for (const auto& file : (*source)->words()) {
    if (!file.trouble.empty()) {
      lines.push_back({Line::Mark::bad, "requests", file.trouble,
                       "restart the process with the serin_recorder.h of this version"});
      continue;
    }
    ++recording;
    requests += file.requests;
  }
  if (recording > 0)
    lines.insert(lines.begin(),
                 {Line::Mark::good, "requests",
                  fmt::format("{} process{} of it record{}: {} requests so far", recording,
                              recording == 1 ? "" : "es", recording == 1 ? "s" : "", requests)});
  std::string problem = (*source)->problem();
  if (problem.empty() && recording == 0)
    problem = fmt::format("no process of it records in {}", (*source)->folder().string());
  if (recording == 0) lines.push_back({Line::Mark::bad, "requests", problem, include});
  return lines;
}

}  // namespace serin::agent
