#pragma once

#include <utility>
#include <vector>

#include "agent/uplink/uplink.h"

namespace serin::agent {

/// Keeps what the sampler hands over.
class FakeUplink : public Uplink {
 public:
  void send(Sample sample, uint64_t end_boot_us) override {
    samples.emplace_back(std::move(sample), end_boot_us);
  }
  void send(Event event, uint64_t at_boot_us) override {
    events.emplace_back(std::move(event), at_boot_us);
  }
  [[nodiscard]] Stats stats() const override { return {}; }
  void close(unsigned, std::function<void()> done) override { done(); }

  std::vector<std::pair<Sample, uint64_t>> samples;
  std::vector<std::pair<Event, uint64_t>> events;
};

}  // namespace serin::agent
