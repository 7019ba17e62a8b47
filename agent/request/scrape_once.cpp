#include "agent/request/scrape_once.h"

#include "agent/request/http_get.h"
#include "agent/request/prometheus.h"
#include "agent/request/scrape_page.h"

namespace serin::agent {
namespace {

constexpr uint64_t kTimeoutMs = 1000;

}  // namespace

Result<ScrapeReport> scrape_once(const ServiceFile& service, size_t index) {
  UvLoop loop;
  ScrapePage page(service, index);
  MetricBatch batch(service, index);
  Result<ScrapeReport> report = fail("no answer");
  bool done = false;
  HttpGet get(loop.get(), service.requests.at(index).url, std::string(Prometheus::kAccept),
              {.on_body = [&](std::string_view part) { page.feed(part); },
               .on_done =
                   [&](Result<std::string> type) {
                     done = true;
                     auto read = type ? page.finish(Prometheus::is_openmetrics(*type), 0, batch)
                                      : Result<void>(std::unexpected(type.error()));
                     if (read) {
                       report = ScrapeReport{
                           .lines = page.lines(), .series = page.series(), .edges = page.edges()};
                     } else {
                       report = std::unexpected(read.error());
                     }
                   }});
  get.start(kTimeoutMs);
  while (!done) loop.run_once();
  return report;
}

}  // namespace serin::agent
