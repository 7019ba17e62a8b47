#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "agent/sampler/sampler.h"
#include "tests/unit/agent/fake_uplink.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {

/// A sampler on a loop of its own, which runs for real, and all that it sent. What a test lends to
/// it beside (units, facts) has to outlive it: such a test resets sampler_ at its end.
class SamplerFixture : public testing::Test {
 protected:
  SamplerFixture() { std::filesystem::create_directories(folder_ / "state"); }
  ~SamplerFixture() override { sampler_.reset(); }

  /// `options`: what is not everybody's.
  void start_sampler(std::vector<ServiceFile> services, Sampler::Options options = {}) {
    options.loop = loop_.get();
    options.clock = &clock_;
    options.boot_id = "boot";
    options.state_dir = folder_ / "state";
    sampler_ = std::make_unique<Sampler>(std::move(options), uplink_);
    for (auto& service : services) {
      auto added = sampler_->add(std::move(service));
      ASSERT_TRUE(added) << added.error().message;
    }
    sampler_->start();
  }
  bool wait_for_events(size_t count) {
    return run_until(loop_, [&] { return uplink_.events.size() >= count; });
  }
  const Event& event(size_t index) { return uplink_.events.at(index).first; }
  /// The first of the service api that was sent; null: none yet.
  const Sample* sample_with(const std::function<bool(const Sample&)>& wanted) {
    auto at = std::ranges::find_if(uplink_.samples, [&](const auto& sent) {
      return sent.first.service == "api" && wanted(sent.first);
    });
    return at == uplink_.samples.end() ? nullptr : &at->first;
  }
  bool wait_for_sample(const std::function<bool(const Sample&)>& wanted) {
    return run_until(loop_, [&] { return sample_with(wanted) != nullptr; });
  }

  TempFolder folder_;
  HostClock clock_;
  UvLoop loop_;
  FakeUplink uplink_;
  std::unique_ptr<Sampler> sampler_;
};

}  // namespace serin::agent
