#include "agent/request/line_counter.h"

#include <fmt/core.h>

#include <algorithm>

namespace serin::agent {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMostFutureUs =
    300 * kSecond;  // beyond that the writer's clock is not ours, and is ignored
constexpr size_t kShownBytes = 200;

/// Did the service itself answer? A proxy answers 502 to 504 in its stead, and 499 is a client that
/// went away.
bool is_answer(std::optional<uint16_t> status) {
  return status && *status != 0 && *status != 499 && (*status < 502 || *status > 504);
}

}  // namespace

Result<LineCounter> LineCounter::make(const ServiceFile& service, size_t index) {
  const auto& requests = service.requests.at(index);
  LogFormat::Wanted wanted{.version_field = requests.version_field, .fields = {}};
  std::vector<BusinessRule> rules;
  for (size_t i = 0; i < service.business.size(); ++i) {
    if (!service.business[i].field) continue;
    wanted.fields.push_back(*service.business[i].field);
    rules.push_back({.counter = i, .equals = service.business[i].equals});
  }
  auto classes = ClassRules::of_fields(service);
  wanted.fields.insert(wanted.fields.end(), classes.keys().begin(), classes.keys().end());
  auto format = LogFormat::compile(requests.format, wanted);
  if (!format)
    return fail(
        fmt::format("{}: [[requests]] {}: {}", service.name, index + 1, format.error().message));
  LineCounter counter(std::move(*format));
  counter.slo_seconds_ = requests.slo_seconds;
  counter.rules_ = std::move(rules);
  counter.classes_ = std::move(classes);
  return counter;
}

void LineCounter::count(std::string_view line, const Timeline& timeline, int64_t now_us,
                        Tallies& tallies) {
  // A writer without O_APPEND leaves zeros before its first line after a truncation.
  if (line.starts_with('\0'))
    line.remove_prefix(std::min(line.find_first_not_of('\0'), line.size()));
  if (line.empty()) return;
  if (!format_.parse(line, fields_)) {
    ++unparsed_;
    last_unparsed_ = line.substr(0, kShownBytes);
    return;
  }
  auto told_us = fields_.end_us ? fields_.end_us : fields_.start_us;
  auto took_us = static_cast<int64_t>(fields_.seconds.value_or(0) * 1e6);
  if (told_us && *told_us + (fields_.end_us ? 0 : took_us) + kOldestLineUs < now_us) {
    ++late_;
    return;
  }
  // HAProxy and Envoy have no 499: a client that left is an answer without status, or half of one.
  if (fields_.client_left && fields_.status.value_or(0) == 0) fields_.status = 499;
  count_request(tallies.of(span_of(timeline, now_us)));
}

int64_t LineCounter::began_us(int64_t now_us) const {
  auto latest = [&](int64_t at_us, bool coarse) {
    return coarse ? std::min(at_us + kSecond, now_us) : at_us;
  };
  if (fields_.start_us && *fields_.start_us <= now_us + kMostFutureUs)
    return latest(*fields_.start_us, fields_.start_is_coarse);
  int64_t end_us = now_us;
  if (fields_.end_us && *fields_.end_us <= now_us + kMostFutureUs)
    end_us = latest(*fields_.end_us, fields_.end_is_coarse);
  return end_us - static_cast<int64_t>(fields_.seconds.value_or(0) * 1e6);
}

uint32_t LineCounter::span_of(const Timeline& timeline, int64_t now_us) const {
  const Timeline::Span* last = timeline.last();
  if (last == nullptr) return 0;
  if (!fields_.version.empty() && fields_.version != last->version) {
    const Timeline::Span* owner = timeline.of_version(fields_.version);
    return owner != nullptr ? owner->id : 0;
  }
  const Timeline::Span* span = timeline.at(began_us(now_us));
  return span != nullptr ? span->id : 0;
}

void LineCounter::count_request(Tally& tally) const {
  RequestMetrics& sum = tally.requests;
  uint16_t status = fields_.status.value_or(0);
  uint64_t failed = tally.failed;
  count_status(tally, status);
  if (!classes_.empty()) count_class(sum, tally.failed > failed);
  if (is_answer(fields_.status)) ++tally.answered;
  if (fields_.seconds) {
    sum.latency.record(*fields_.seconds);
    if (slo_seconds_ && *fields_.seconds > *slo_seconds_) ++sum.slow_slo;
  }
  count_answer(tally, status);
  if (status < 200 || status >= 400) return;
  for (size_t i = 0; i < rules_.size(); ++i) {
    std::string_view value = fields_.wanted[i];
    bool matches = rules_[i].equals ? value == *rules_[i].equals : !value.empty() && value != "-";
    if (matches) ++tally.business[rules_[i].counter];
  }
}

void LineCounter::count_class(RequestMetrics& whole, bool failed) const {
  size_t index = classes_.find([&](size_t key) { return fields_.wanted[rules_.size() + key]; });
  RequestClass& part = class_of(whole, classes_.name(index));
  ++part.requests;
  if (failed) ++part.errors;
  if (fields_.seconds) part.latency.record(*fields_.seconds);
}

/// An answer of 200 is expected to hold something; others may be empty, or hold a page of error.
void LineCounter::count_answer(Tally& tally, uint16_t status) const {
  if (!fields_.body_bytes) return;
  tally.sized += 1;
  tally.body_bytes += *fields_.body_bytes;
  if (status != 200 || *fields_.body_bytes > 0) ++tally.full_answers;
}

}  // namespace serin::agent
