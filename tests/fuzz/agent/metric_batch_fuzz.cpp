#include <cstdint>
#include <string_view>

#include "agent/request/metric_batch.h"
#include "common/error.h"

// Each three bytes of the input are something that metrics tell of requests: what, how much, and of
// which class and span. However they come, no interval holds more than its whole.

namespace {

using namespace serin;

void check(const RequestMetrics& sum) {
  SERIN_VERIFY(sum.errors + sum.aborted + sum.limited + sum.client <= sum.requests);
  SERIN_VERIFY(sum.latency.total() <= sum.requests);
  uint64_t requests = 0, errors = 0;
  for (const RequestClass& part : sum.classes) {
    SERIN_VERIFY(part.errors <= part.requests && part.latency.total() <= part.requests);
    requests += part.requests;
    errors += part.errors;
  }
  SERIN_VERIFY(requests <= sum.requests && errors <= sum.errors);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ServiceFile service;
  service.requests.push_back({.source = "statsd", .slo_seconds = 0.5});
  if ((data[0] & 1) != 0) service.requests[0].requests = {*MetricSelector::parse("r")};
  if ((data[0] & 2) != 0) service.requests[0].latency = {*MetricSelector::parse("t")};
  service.classes = {{.name = "a", .label = "route", .equals = "a"},
                     {.name = "z", .label = "route", .equals = "z"}};
  agent::MetricBatch batch(service, 0);
  agent::Tallies tallies(0);
  uint32_t now = 1;
  for (size_t i = 1; i + 3 <= size; i += 3) {
    double amount = data[i + 1] / 10.0;
    size_t class_index = data[i + 2] % batch.classes().size();
    uint32_t span = now - (data[i + 2] >> 7);
    switch (data[i] % 5) {
      case 0:
        batch.add_requests(span, amount, class_index);
        break;
      case 1:
        batch.add_errors(span, amount, class_index);
        break;
      case 2:
        batch.add_status(span, data[i + 2] % 3 == 0 ? "503" : "404", amount, class_index);
        break;
      case 3:
        batch.add_latency(span, amount, 1 + amount, class_index);
        break;
      default:
        if (data[i + 1] % 8 == 0) ++now;
        batch.flush(now, tallies);
        for (uint32_t each = now < 3 ? 0 : now - 3; each <= now; ++each)
          check(tallies.take(each).requests);
    }
  }
  return 0;
}
