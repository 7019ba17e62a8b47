#include "aggregator/bus/streams.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/bus/subjects.h"

namespace serin::aggregator {
namespace {

constexpr int64_t kSecond = 1'000'000'000;  // JetStream counts in ns
constexpr int64_t kDay = 86'400 * kSecond;
constexpr int64_t kUnlimited = -1;
constexpr jsErrCode kNoStorage = static_cast<jsErrCode>(10047);

struct Wanted {
  const char* name;
  std::vector<const char*> subjects;
  int64_t max_age_ns;
  int64_t max_bytes;
  int64_t per_subject;
  int32_t max_message_bytes;
  int64_t duplicates_ns;
  bool allow_direct = true;
  bool keep_all = false;      ///< nobody may delete or purge
  int64_t needed_in_all = 0;  ///< bytes of all streams, for an error's text
};

std::vector<Wanted> wanted_streams(const Bus::StreamLimits& limits) {
  const int64_t input_age = limits.input_age_seconds * kSecond;
  return {
      {bus::kInputStream,
       {bus::kSamples, bus::kEvents, bus::kControls},
       input_age,
       limits.input_bytes,
       kUnlimited,
       64 * 1024,
       std::min(10 * kSecond, input_age)},
      {bus::kCommandStream,
       {bus::kCommands},
       7 * kDay,
       limits.commands_bytes,
       1,
       16 * 1024,
       120 * kSecond},
      {bus::kAttentionStream,
       {bus::kAttention},
       kDay,
       limits.attention_bytes,
       1,
       4 * 1024,
       10 * kSecond},
      {bus::kAuditStream,
       {bus::kAudit},
       400 * kDay,
       limits.audit_bytes,
       kUnlimited,
       64 * 1024,
       120 * kSecond,
       false,
       true},
  };
}

/// True when `value` had to grow. Zero and below mean no limit.
template <typename T>
bool raise(T& value, T wanted) {
  if (value <= 0 || (wanted > 0 && value >= wanted)) return false;
  value = wanted;
  return true;
}

bool set(bool& value, bool wanted) {
  if (value || !wanted) return false;
  value = true;
  return true;
}

std::string said(natsStatus status) {
  return bus::last_error_text(status);
}

struct Reserved {
  int64_t bytes = 0;
  int streams = 0;
};

/// What the account's streams have reserved so far.
Reserved reserved(jsCtx* jet_stream) {
  jsStreamInfoList* list = nullptr;
  Reserved sum;
  if (js_Streams(&list, jet_stream, nullptr, nullptr) != NATS_OK || list == nullptr) return sum;
  for (int i = 0; i < list->Count; ++i) {
    sum.bytes += std::max<int64_t>(list->List[i]->Config->MaxBytes, 0);
    ++sum.streams;
  }
  jsStreamInfoList_Destroy(list);
  return sum;
}

/// A stream's bytes are reserved when it is made. JetStream tells a client an account's limit, but
/// not the server's.
std::string storage_text(jsCtx* jet_stream, const Wanted& wanted, int64_t needed) {
  jsAccountInfo* raw = nullptr;
  js_GetAccountInfo(&raw, jet_stream, nullptr, nullptr);
  const bus::AccountInfoPtr account(raw);
  const Reserved now = reserved(jet_stream);
  const bool limited = account && account->Limits.MaxStore > 0;
  return fmt::format(
      "NATS has too little storage for {}: it asks for {} bytes (all of Serin for {}), and of {} "
      "{} bytes are reserved "
      "by {} streams already. Raise that limit or lower [nats.streams]",
      wanted.name, wanted.max_bytes, needed,
      limited ? fmt::format("the account's {} bytes", account->Limits.MaxStore)
              : "the server's jetstream.max_file_store",
      now.bytes, now.streams);
}

Error explain(jsCtx* jet_stream, const Wanted& wanted, const char* verb, natsStatus status,
              jsErrCode code) {
  if (code == kNoStorage) return {storage_text(jet_stream, wanted, wanted.needed_in_all)};
  return {fmt::format("cannot {} the stream {}: {} ({})", verb, wanted.name, said(status),
                      static_cast<int>(code))};
}

Result<void> add(jsCtx* jet_stream, Wanted& wanted) {
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = wanted.name;
  config.Subjects = wanted.subjects.data();
  config.SubjectsLen = static_cast<int>(wanted.subjects.size());
  config.MaxAge = wanted.max_age_ns;
  config.MaxBytes = wanted.max_bytes;
  config.MaxMsgsPerSubject = wanted.per_subject;
  config.MaxMsgSize = wanted.max_message_bytes;
  config.Duplicates = wanted.duplicates_ns;
  config.AllowDirect = wanted.allow_direct;
  config.DenyDelete = config.DenyPurge = wanted.keep_all;
  jsErrCode code{};
  const natsStatus status = js_AddStream(nullptr, jet_stream, &config, nullptr, &code);
  if (status != NATS_OK)
    return std::unexpected(explain(jet_stream, wanted, "create", status, code));
  return {};
}

std::vector<const char*> joined_subjects(const jsStreamConfig& now, const Wanted& wanted) {
  std::vector<const char*> all(now.Subjects, now.Subjects + now.SubjectsLen);
  for (const char* subject : wanted.subjects) {
    const auto same = [subject](std::string_view other) { return other == subject; };
    if (std::ranges::none_of(all, same)) all.push_back(subject);
  }
  return all;
}

Result<void> grow(jsCtx* jet_stream, const Wanted& wanted, const jsStreamInfo& info) {
  jsStreamConfig config = *info.Config;
  auto subjects = joined_subjects(config, wanted);
  bool differs = static_cast<int>(subjects.size()) != config.SubjectsLen;
  config.Subjects = subjects.data();
  config.SubjectsLen = static_cast<int>(subjects.size());
  differs |= raise(config.MaxAge, wanted.max_age_ns);
  differs |= raise(config.MaxBytes, wanted.max_bytes);
  differs |= raise(config.MaxMsgsPerSubject, wanted.per_subject);
  differs |= raise(config.MaxMsgSize, wanted.max_message_bytes);
  differs |= raise(config.Duplicates, wanted.duplicates_ns);
  differs |= set(config.AllowDirect, wanted.allow_direct);
  differs |= set(config.DenyDelete, wanted.keep_all);
  differs |= set(config.DenyPurge, wanted.keep_all);
  if (!differs) return {};
  jsErrCode code{};
  const natsStatus status = js_UpdateStream(nullptr, jet_stream, &config, nullptr, &code);
  if (status != NATS_OK) return std::unexpected(explain(jet_stream, wanted, "raise", status, code));
  return {};
}

Result<void> ensure(jsCtx* jet_stream, Wanted& wanted) {
  jsStreamInfo* raw = nullptr;
  jsErrCode code{};
  const natsStatus status = js_GetStreamInfo(&raw, jet_stream, wanted.name, nullptr, &code);
  const bus::StreamInfoPtr info(raw);
  if (status == NATS_OK) return grow(jet_stream, wanted, *info);
  if (status == NATS_NOT_FOUND) return add(jet_stream, wanted);
  if (status == NATS_NO_RESPONDERS) {
    return fail(
        "NATS runs without JetStream: put `jetstream { store_dir: … }` into its configuration");
  }
  return std::unexpected(explain(jet_stream, wanted, "look at", status, code));
}

}  // namespace

Result<void> ensure_streams(jsCtx* jet_stream, const Bus::StreamLimits& limits) {
  auto all = wanted_streams(limits);
  int64_t needed = 0;
  for (const Wanted& wanted : all) needed += wanted.max_bytes;
  for (Wanted& wanted : all) {
    wanted.needed_in_all = needed;
    if (auto made = ensure(jet_stream, wanted); !made) return made;
  }
  return {};
}

}  // namespace serin::aggregator
