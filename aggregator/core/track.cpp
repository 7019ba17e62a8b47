#include "aggregator/core/track.h"

#include <iterator>

namespace serin::core {

void History::add(int64_t middle_us, const std::string& version, const RequestMetrics& requests) {
  const int64_t index = middle_us / kBlockUs;
  if (!blocks_.empty() && index < blocks_.front().index) return;
  auto at = blocks_.end();
  while (at != blocks_.begin() && std::prev(at)->index > index) --at;
  const bool exists = at != blocks_.begin() && std::prev(at)->index == index &&
                      std::prev(at)->version == version;
  if (exists) {
    --at;
  } else {
    at = blocks_.insert(at, Block{index, version, 0, 0, {}});
  }
  at->requests += requests.requests;
  at->errors += requests.errors;
  at->latency.merge(requests.latency);
  if (blocks_.size() > kMaxBlocks) blocks_.pop_front();
}

}  // namespace serin::core
