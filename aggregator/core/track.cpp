#include "aggregator/core/track.h"

#include <cmath>
#include <iterator>
#include <limits>

#include "aggregator/core/steps.h"

namespace serin::core {

namespace {

void mean_in(std::optional<double>& mean, std::optional<double> now, uint32_t samples) {
  if (!now) return;
  mean = mean ? *mean + (*now - *mean) / static_cast<double>(samples) : *now;
}

}  // namespace

/// The block of a time and a version, made in its place where there is none.
const History::Block* History::find(int64_t index, std::string_view version) const {
  for (auto block = blocks_.rbegin(); block != blocks_.rend() && block->index >= index; ++block) {
    if (block->index == index && block->version == version) return &*block;
  }
  return nullptr;
}

History::Block& History::block_at(int64_t time_us, const std::string& version) {
  const int64_t index = time_us / kBlockUs;
  auto at = blocks_.end();
  while (at != blocks_.begin() && std::prev(at)->index > index) --at;
  for (auto same = at; same != blocks_.begin() && std::prev(same)->index == index; --same) {
    if (std::prev(same)->version == version) return *std::prev(same);
  }
  Block fresh;
  fresh.index = index;
  fresh.version = version;
  at = blocks_.insert(at, std::move(fresh));
  if (blocks_.size() <= kMaxBlocks || at == blocks_.begin()) return *at;
  const auto place = at - blocks_.begin();
  blocks_.pop_front();
  return blocks_[static_cast<size_t>(place - 1)];
}

void History::add(int64_t middle_us, const Sample& sample, const CounterBook& counters) {
  Block& block = block_at(middle_us, sample.version);
  ++block.samples;
  if (sample.requests) {
    block.requests += sample.requests->requests;
    block.errors += sample.requests->errors;
    block.latency.merge(sample.requests->latency);
  }
  if (sample.process.cpu_seconds) {
    block.cpu_seconds = block.cpu_seconds.value_or(0) + *sample.process.cpu_seconds;
  }
  mean_in(block.rss_bytes, as_double(sample.process.rss_bytes), block.samples);
  mean_in(block.fds, as_double(sample.process.fds), block.samples);
  mean_in(block.threads, as_double(sample.process.threads), block.samples);
  mean_in(block.connections, connections_of(sample.sockets), block.samples);
  add_up(block.failed_connects, as_double(sample.sockets.failed_connects));
  add_up(block.accept_overflows, as_double(sample.sockets.accept_overflows));
  for (const NamedValue& counter : sample.counters) {
    const auto number = counters.find(counter.name);
    if (!number) continue;
    if (block.business.size() <= *number) {
      block.business.resize(*number + 1, std::numeric_limits<double>::quiet_NaN());
    }
    double& sum = block.business[*number];
    sum = counter.value + (std::isnan(sum) ? 0 : sum);
  }
}

void History::add_end(int64_t at_us, const std::string& version) {
  ++block_at(at_us, version).unexpected_ends;
}

}  // namespace serin::core
