#include "agent/request/prometheus.h"

#include <fmt/core.h>

#include <algorithm>

namespace serin::agent {
namespace {

constexpr uint64_t kTooLargeMs = 60'000;
constexpr uint64_t kMarginMs = 100;  // of the interval, for the answer to be there at its end
constexpr uint64_t kMostMs = 10'000;
constexpr uint64_t kJitterMs = 300;  // a tick may come a little early

}  // namespace

Result<std::unique_ptr<Prometheus>> Prometheus::make(const ServiceFile& service, size_t index,
                                                     const SourceSetting& setting) {
  return std::unique_ptr<Prometheus>(new Prometheus(service, index, setting));
}

void Prometheus::start(const Timeline& timeline, Tallies& /*tallies*/) {
  timeline_ = &timeline;
  scrape();
}

void Prometheus::poll(const Timeline& timeline, int64_t /*now_us*/, Tallies& tallies) {
  const Timeline::Span* last = timeline.last();
  batch_.flush(last != nullptr ? last->id : 0, tallies);
  complete_ = !gap_ && !std::exchange(after_gap_, false);
  if (!in_flight_ && uv_now(loop_) + kJitterMs >= due_ms_) scrape();
}

std::string Prometheus::no_latency() const {
  bool missing = requests_.counts_requests() && requests_.latency.empty();
  return missing ? "no histogram is configured for it" : "";
}

void Prometheus::scrape() {
  auto interval_ms = static_cast<uint64_t>(requests_.interval_seconds * 1000);
  due_ms_ = uv_now(loop_) + interval_ms;
  in_flight_ = true;
  page_.begin();
  get_.emplace(
      loop_, requests_.url, std::string(kAccept),
      HttpGet::Handlers{.on_body = [this](std::string_view part) { page_.feed(part); },
                        .on_done = [this](Result<std::string> type) { scraped(std::move(type)); }});
  get_->start(std::min(interval_ms - kMarginMs, kMostMs));
}

void Prometheus::scraped(Result<std::string> content_type) {
  in_flight_ = false;
  Result<void> read{};
  if (!content_type) {
    read = std::unexpected(content_type.error());
  } else {
    const Timeline::Span* last = timeline_->last();
    read = page_.finish(is_openmetrics(*content_type), last != nullptr ? last->id : 0, batch_);
  }
  if (!read) {
    gap_ = true;
    problem_ = fmt::format("http://{}:{}{}: {}", requests_.url.host, requests_.url.port,
                           requests_.url.target, read.error().message);
    if (page_.is_too_large()) due_ms_ = uv_now(loop_) + kTooLargeMs;
    return;
  }
  problem_.clear();
  after_gap_ = std::exchange(gap_, false);
}

}  // namespace serin::agent
