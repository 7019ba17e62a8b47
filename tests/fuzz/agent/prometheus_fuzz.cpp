#include <cstdint>
#include <string_view>

#include "agent/request/http_response.h"
#include "agent/request/scrape_page.h"

// An HTTP answer with two pages of metrics in it, divided by a NUL byte; the first byte says in
// which pieces it comes.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace serin;
  if (size == 0) return 0;
  size_t step = 1 + data[0] % 64;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  ServiceFile service;
  service.business.push_back({.name = "b", .metric = {*MetricSelector::parse("b{x!=\"y\"}")}});
  service.requests.push_back({.source = "prometheus",
                              .requests = {*MetricSelector::parse("r*")},
                              .errors = {*MetricSelector::parse("r*{code=\"5*\"}")},
                              .latency = {*MetricSelector::parse("t")}});
  service.classes = {{.name = "five", .label = "code", .prefix = "5"}};
  agent::ScrapePage page(service, 0);
  agent::MetricBatch batch(service, 0);
  agent::Tallies tallies(1);
  for (bool more = true; more;) {
    size_t end = text.find('\0');
    std::string_view answer = text.substr(0, end);
    more = end != std::string_view::npos;
    if (more) text.remove_prefix(end + 1);
    page.begin();
    agent::HttpResponse response([&](std::string_view part) { page.feed(part); });
    for (size_t at = 0; at < answer.size(); at += step)
      if (!response.feed(answer.substr(at, step))) break;
    if (response.finish()) (void)page.finish(false, 1, batch);
    batch.flush(1, tallies);
    const auto& sum = tallies.of(1).requests;
    SERIN_VERIFY(sum.errors <= sum.requests && sum.latency.total() <= sum.requests);
  }
  return 0;
}
