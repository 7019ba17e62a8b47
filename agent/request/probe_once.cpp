#include "agent/request/probe_once.h"

#include <optional>

namespace serin::agent {

ProbeReport probe_once(const ServiceFile::Requests& requests) {
  UvLoop loop;
  std::optional<Probed> outcome;
  const uint64_t began_ns = uv_hrtime();
  auto probe =
      ProbeTry::start(loop.get(), requests, [&](Probed probed) { outcome = std::move(probed); });
  while (!outcome) loop.run_once();
  return {.probed = std::move(*outcome),
          .seconds = static_cast<double>(uv_hrtime() - began_ns) / 1e9};
}

}  // namespace serin::agent
