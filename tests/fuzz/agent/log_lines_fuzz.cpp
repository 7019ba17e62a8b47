#include <cstdint>
#include <string_view>

#include "agent/request/line_counter.h"
#include "common/error.h"

// The first line of the input is a log format (or a preset's name), each further one a line of that
// log, which is counted: with classes, business and a fixed edge.

namespace {

using namespace serin;

constexpr int64_t kNowUs = 1'795'176'000'000'000;

ServiceFile service_of(std::string_view format) {
  ServiceFile service;
  service.name = "api";
  service.requests.push_back(
      {.source = "access_log", .format = std::string(format), .slo_seconds = 0.5});
  service.business.push_back({.name = "orders", .field = "$status", .equals = "200"});
  service.classes = {{.name = "five", .field = "$status", .prefix = "5"},
                     {.name = "good", .field = "$status", .equals = "200"}};
  return service;
}

void check(const agent::Tally& tally) {
  const RequestMetrics& sum = tally.requests;
  SERIN_VERIFY(sum.errors + sum.aborted + sum.limited + sum.client <= sum.requests);
  SERIN_VERIFY(sum.latency.total() <= sum.requests && sum.slow_slo <= sum.requests);
  SERIN_VERIFY(tally.full_answers <= tally.sized && tally.sized <= sum.requests);
  uint64_t requests = 0, errors = 0;
  for (const RequestClass& part : sum.classes) {
    SERIN_VERIFY(part.errors <= part.requests && part.latency.total() <= part.requests);
    requests += part.requests;
    errors += part.errors;
  }
  SERIN_VERIFY(requests == sum.requests && errors == sum.errors);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t end = text.find('\n');
  auto counter = agent::LineCounter::make(service_of(text.substr(0, end)), 0);
  if (!counter) counter = agent::LineCounter::make(service_of("json"), 0);
  SERIN_VERIFY(counter.has_value());
  agent::Timeline timeline;
  timeline.begin("g1", "v1", kNowUs - 1'000'000);
  timeline.begin("g2", "v2", kNowUs);
  agent::Tallies tallies(1);
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find('\n');
    counter->count(text.substr(0, end), timeline, kNowUs, tallies);
  }
  for (uint32_t span = 0; span <= 2; ++span) check(tallies.take(span));
  return 0;
}
