#include "agent/request/access_log.h"

#include <fmt/core.h>

namespace serin::agent {

Result<AccessLog> AccessLog::make(const ServiceFile& service, size_t index,
                                  const std::optional<std::filesystem::path>& state_dir,
                                  std::string_view boot_id) {
  const auto& requests = service.requests.at(index);
  auto counter = LineCounter::make(service, index);
  if (!counter) return std::unexpected(counter.error());
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
  AccessLog log(std::move(*counter), FileTail(requests.path, std::move(position)),
                std::move(store));
  if (record) log.resumed_from_us_ = record->boot_us;
  return log;
}

void AccessLog::poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) {
  tail_.poll([&](std::string_view line) { counter_.count(line, timeline, now_us, tallies); });
}

void AccessLog::commit(uint64_t boot_us) {
  if (!store_) return;
  if (auto position = tail_.position())
    store_->save(
        {.position = std::move(*position), .boot_us = boot_us, .path = tail_.path().string()});
}

std::string AccessLog::problem() const {
  if (!tail_.problem().empty() || !tail_.is_behind()) return tail_.problem();
  return fmt::format(
      "{}: it grew by more than {} MiB at once; the rest is read in the next seconds",
      tail_.path().string(), FileTail::kMaxBytesPerPoll >> 20);
}

std::string AccessLog::no_latency() const {
  return counter_.format().has_latency() ? "" : "the log format has no $request_time";
}

}  // namespace serin::agent
