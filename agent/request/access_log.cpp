#include "agent/request/access_log.h"

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

Result<AccessLog> AccessLog::make(const ServiceFile& service, size_t index,
                                  const std::optional<std::filesystem::path>& state_dir,
                                  std::string_view boot_id) {
  const auto& requests = service.requests.at(index);
  LogFormat::Wanted wanted{.version_field = requests.version_field, .fields = {}};
  std::vector<BusinessRule> rules;
  for (size_t i = 0; i < service.business.size(); ++i) {
    if (!service.business[i].field) continue;
    wanted.fields.push_back(*service.business[i].field);
    rules.push_back({.counter = i, .equals = service.business[i].equals});
  }
  auto format = LogFormat::compile(requests.format, wanted);
  if (!format)
    return fail(
        fmt::format("{}: [[requests]] {}: {}", service.name, index + 1, format.error().message));

  std::optional<TailStore> store;
  std::optional<TailStore::Record> record;
  if (state_dir) {
    auto opened =
        TailStore::open(*state_dir / fmt::format("tail-{}-{}", service.name, index), boot_id);
    if (!opened) return std::unexpected(opened.error());
    store = std::move(*opened);
    record = store->load();
    if (record && record->path != requests.path.string()) record.reset();
  }
  auto position = record ? std::optional(record->position) : std::nullopt;
  AccessLog log(std::move(*format), FileTail(requests.path, std::move(position)), std::move(store));
  if (record) log.resumed_from_us_ = record->boot_us;
  log.slo_seconds_ = requests.slo_seconds;
  log.rules_ = std::move(rules);
  return log;
}

void AccessLog::poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) {
  tail_.poll([&](std::string_view line) { count_line(line, timeline, now_us, tallies); });
}

void AccessLog::commit(uint64_t boot_us) {
  if (!store_) return;
  if (auto position = tail_.position())
    store_->save(
        {.position = std::move(*position), .boot_us = boot_us, .path = tail_.path().string()});
}

AccessLog::Skipped AccessLog::skipped() const {
  return {.unparsed = unparsed_, .oversized = tail_.counts().oversized, .late = late_};
}

void AccessLog::count_line(std::string_view line, const Timeline& timeline, int64_t now_us,
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
  if (fields_.end_us && *fields_.end_us + kOldestLineUs < now_us) {
    ++late_;
    return;
  }
  count_request(tallies.of(span_of(timeline, now_us)));
}

uint32_t AccessLog::span_of(const Timeline& timeline, int64_t now_us) const {
  const Timeline::Span* last = timeline.last();
  if (last == nullptr) return 0;
  if (!fields_.version.empty() && fields_.version != last->version) {
    const Timeline::Span* owner = timeline.of_version(fields_.version);
    return owner != nullptr ? owner->id : 0;
  }
  int64_t end_us = now_us;
  if (fields_.end_us && *fields_.end_us <= now_us + kMostFutureUs)
    end_us = fields_.end_is_coarse ? std::min(*fields_.end_us + kSecond, now_us) : *fields_.end_us;
  auto took_us = static_cast<int64_t>(fields_.seconds.value_or(0) * 1e6);
  const Timeline::Span* span = timeline.at(end_us - took_us);
  return span != nullptr ? span->id : 0;
}

void AccessLog::count_request(Tally& tally) const {
  RequestMetrics& sum = tally.requests;
  ++sum.requests;
  uint16_t status = fields_.status.value_or(0);
  if (status >= 500 || status == 0) {
    ++sum.errors;
    ++tally.failed;
  } else if (status == 499) {
    ++sum.aborted;
  } else if (status == 429) {
    ++sum.limited;
  } else if (status >= 400) {
    ++sum.client;
  }
  if (is_answer(fields_.status)) ++tally.answered;
  if (fields_.seconds) {
    sum.latency.record(*fields_.seconds);
    if (slo_seconds_ && *fields_.seconds > *slo_seconds_) ++sum.slow_slo;
  }
  if (status < 200 || status >= 400) return;
  for (size_t i = 0; i < rules_.size(); ++i) {
    std::string_view value = fields_.wanted[i];
    bool matches = rules_[i].equals ? value == *rules_[i].equals : !value.empty() && value != "-";
    if (matches) ++tally.business[rules_[i].counter];
  }
}

}  // namespace serin::agent
