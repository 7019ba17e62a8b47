#pragma once

#include "agent/request/probe.h"

namespace serin::agent {

/// One probe of `requests`, and how long it took; for `serin-agent check`. Blocks for at most its
/// time limit.
struct ProbeReport {
  Probed probed;
  double seconds = 0;
};
ProbeReport probe_once(const ServiceFile::Requests& requests);

}  // namespace serin::agent
