#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/request/datagram_feed.h"
#include "agent/request/metric_batch.h"
#include "agent/request/request_source.h"
#include "agent/request/statsd_line.h"

namespace serin::agent {

/// Requests and business as an application reports them by statsd or DogStatsD. Only the metrics
/// that the service's file names are looked at; nothing is kept per name, so a flood of names costs
/// time and no memory. A timer that counts requests belongs to the generation that ran when the
/// request began; a counter to the one that runs when it arrives, as it tells no more.
class Statsd : public RequestSource {
 public:
  static Result<std::unique_ptr<Statsd>> make(const ServiceFile& service, size_t index,
                                              const SourceSetting& setting);

  void start(const Timeline& timeline, Tallies& tallies) override;
  void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) override;
  [[nodiscard]] bool is_complete() const override { return feed_.is_complete(); }
  [[nodiscard]] uint64_t skipped() const override { return unparsed_ + feed_.lost(); }
  [[nodiscard]] std::string problem() const override { return feed_.problem(); }
  [[nodiscard]] std::string no_latency() const override;
  [[nodiscard]] bool counts_requests() const override { return requests_.counts_requests(); }

 private:
  Statsd(const ServiceFile& service, size_t index, const SourceSetting& setting)
      : requests_(service.requests.at(index)),
        business_(service.business),
        wall_us_(setting.wall_us),
        batch_(service, index),
        feed_(*setting.datagrams, requests_.listen) {}
  void count_datagram(std::string_view datagram);
  void count_line(std::string_view line);
  void count_value(const StatsdLine& line, const StatsdValue& value);
  void count_latency(const StatsdLine& line, double value);
  void count_business(const StatsdLine& line, const StatsdValue& value);
  [[nodiscard]] size_t class_of(const StatsdLine& line) const;
  [[nodiscard]] uint32_t span_of(const StatsdLine& line, double seconds) const;

  ServiceFile::Requests requests_;
  std::vector<ServiceFile::Business> business_;
  std::function<int64_t()> wall_us_;
  const Timeline* timeline_ = nullptr;
  MetricBatch batch_;
  DatagramFeed feed_;
  uint64_t unparsed_ = 0;
};

}  // namespace serin::agent
