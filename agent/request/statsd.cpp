#include "agent/request/statsd.h"

#include <algorithm>

namespace serin::agent {
namespace {

constexpr double kMostSeconds = 86'400;  // a request that took longer is a wrong unit

bool is_one_of(const std::vector<MetricSelector>& selectors, const StatsdLine& line) {
  return std::ranges::any_of(selectors, [&](const MetricSelector& selector) {
    return selector.matches(line.name, [&](std::string_view label) { return line.tag(label); });
  });
}

}  // namespace

Result<std::unique_ptr<Statsd>> Statsd::make(const ServiceFile& service, size_t index,
                                             const SourceSetting& setting) {
  return std::unique_ptr<Statsd>(new Statsd(service, index, setting));
}

void Statsd::start(const Timeline& timeline, Tallies& /*tallies*/) {
  timeline_ = &timeline;
  feed_.open([this](std::string_view datagram) { count_datagram(datagram); });
}

void Statsd::poll(const Timeline& timeline, int64_t /*now_us*/, Tallies& tallies) {
  feed_.drain();
  const Timeline::Span* last = timeline.last();
  batch_.flush(last != nullptr ? last->id : 0, tallies);
}

std::string Statsd::no_latency() const {
  bool missing = requests_.counts_requests() && requests_.latency.empty();
  return missing ? "no timer is configured for it" : "";
}

void Statsd::count_datagram(std::string_view datagram) {
  while (!datagram.empty()) {
    size_t end = datagram.find('\n');
    std::string_view line = datagram.substr(0, end);
    datagram.remove_prefix(end == std::string_view::npos ? datagram.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !is_other_dogstatsd(line)) count_line(line);
  }
}

void Statsd::count_line(std::string_view line) {
  auto parsed = parse_statsd(line);
  if (!parsed) {
    ++unparsed_;
    return;
  }
  if (parsed->type == StatsdLine::Type::set) return;
  for (std::string_view values = parsed->values; !values.empty();) {
    auto value = next_value(values);
    if (value) {
      count_value(*parsed, *value);
    } else {
      ++unparsed_;
    }
  }
}

void Statsd::count_value(const StatsdLine& line, const StatsdValue& value) {
  double count = value.value / line.rate;
  // A counter may go down in statsd; requests and failures cannot.
  if (line.type == StatsdLine::Type::counter && count > 0) {
    if (is_one_of(requests_.requests, line)) {
      uint32_t span = span_of(line, 0);
      if (requests_.status_label) {
        batch_.add_status(span, line.tag(*requests_.status_label), count, class_of(line));
      } else {
        batch_.add_requests(span, count, class_of(line));
      }
    }
    if (is_one_of(requests_.errors, line))
      batch_.add_errors(span_of(line, 0), count, class_of(line));
  }
  if (line.type == StatsdLine::Type::timer && is_one_of(requests_.latency, line))
    count_latency(line, value.value);
  count_business(line, value);
}

void Statsd::count_latency(const StatsdLine& line, double value) {
  double seconds = value * requests_.latency_unit_seconds;
  if (seconds < 0 || seconds > kMostSeconds) {
    ++unparsed_;
    return;
  }
  batch_.add_latency(span_of(line, seconds), seconds, 1 / line.rate, class_of(line));
}

void Statsd::count_business(const StatsdLine& line, const StatsdValue& value) {
  for (size_t i = 0; i < business_.size(); ++i) {
    if (business_[i].metric.empty() || !is_one_of(business_[i].metric, line)) continue;
    if (line.type == StatsdLine::Type::gauge) {
      value.is_change ? batch_.change_level(i, value.value) : batch_.set_level(i, value.value);
    } else {
      double amount = line.type == StatsdLine::Type::counter ? value.value : 1;
      if (amount > 0) batch_.add_business(span_of(line, 0), i, amount / line.rate);
    }
  }
}

size_t Statsd::class_of(const StatsdLine& line) const {
  return batch_.classes().find_by_label([&](std::string_view label) { return line.tag(label); });
}

uint32_t Statsd::span_of(const StatsdLine& line, double seconds) const {
  const Timeline::Span* last = timeline_->last();
  if (last == nullptr) return 0;
  if (requests_.version_field) {
    std::string_view version = line.tag(*requests_.version_field);
    if (!version.empty() && version != last->version) {
      const Timeline::Span* owner = timeline_->of_version(version);
      return owner != nullptr ? owner->id : 0;
    }
  }
  const Timeline::Span* span = timeline_->at(wall_us_() - static_cast<int64_t>(seconds * 1e6));
  return span != nullptr ? span->id : last->id;
}

}  // namespace serin::agent
