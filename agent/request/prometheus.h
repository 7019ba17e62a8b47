#pragma once

#include <optional>
#include <string>

#include "agent/request/http_get.h"
#include "agent/request/metric_batch.h"
#include "agent/request/request_source.h"
#include "agent/request/scrape_page.h"

namespace serin::agent {

/// Requests and business as a page of Prometheus metrics tells them. Scraped once an interval, and
/// given up when that takes longer; a page that is too large is tried again each minute. What it
/// tells belongs to the process that runs when it answers; what a process counted after its last
/// scrape ends with it.
class Prometheus : public RequestSource {
 public:
  static constexpr std::string_view kAccept =
      "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.8,*/*;q=0.1";
  [[nodiscard]] static bool is_openmetrics(std::string_view content_type) {
    return content_type.starts_with("application/openmetrics-text");
  }

  static Result<std::unique_ptr<Prometheus>> make(const ServiceFile& service, size_t index,
                                                  const SourceSetting& setting);

  void start(const Timeline& timeline, Tallies& tallies) override;
  void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) override;
  [[nodiscard]] bool is_complete() const override { return complete_; }
  [[nodiscard]] uint64_t skipped() const override { return page_.skipped(); }
  [[nodiscard]] std::string problem() const override { return problem_; }
  [[nodiscard]] std::string no_latency() const override;
  [[nodiscard]] bool counts_requests() const override { return requests_.counts_requests(); }

 private:
  Prometheus(const ServiceFile& service, size_t index, const SourceSetting& setting)
      : loop_(setting.loop),
        requests_(service.requests.at(index)),
        page_(service, index),
        batch_(service, index) {}
  void scrape();
  void scraped(Result<std::string> content_type);

  uv_loop_t* loop_;
  ServiceFile::Requests requests_;
  const Timeline* timeline_ = nullptr;
  ScrapePage page_;
  MetricBatch batch_;
  std::optional<HttpGet> get_;
  bool in_flight_ = false;
  uint64_t due_ms_ = 0;     ///< of the loop
  bool gap_ = true;         ///< the last scrape failed, or there was none
  bool after_gap_ = false;  ///< what came last happened in more than one interval
  bool complete_ = false;
  std::string problem_;
};

}  // namespace serin::agent
