#pragma once

#include <vector>

#include "common/error.h"
#include "common/service_file.h"

namespace serin::agent {

/// What one scrape of `service.requests[index]` found; for `serin-agent check`. Blocks for at most
/// a second.
struct ScrapeReport {
  uint64_t lines = 0;
  size_t series = 0;          ///< those that are meant
  std::vector<double> edges;  ///< of the histograms, in seconds
};
Result<ScrapeReport> scrape_once(const ServiceFile& service, size_t index);

}  // namespace serin::agent
