#include <cstring>

#include "schema/check.h"
#include "schema/wire.h"
#include "schema/wire_buffer.h"
#include "schema/wire_identity.h"

namespace serin::wire {
namespace {

using NamedOffsets = flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fbs::NamedValue>>>;
using NamedVector = flatbuffers::Vector<flatbuffers::Offset<fbs::NamedValue>>;
constexpr size_t kMaxBuckets = ExpHistogram::kMaxIndex - ExpHistogram::kMinIndex + 1;

// ---- writing

NamedOffsets put_named(Builder& builder, const std::vector<NamedValue>& values) {
  std::vector<flatbuffers::Offset<fbs::NamedValue>> offsets;
  offsets.reserve(values.size());
  for (const NamedValue& value : values) {
    if (!std::isfinite(value.value)) continue;
    offsets.push_back(fbs::CreateNamedValue(builder, put_always(builder, value.name), value.value));
  }
  return offsets.empty() ? NamedOffsets{} : builder.CreateVector(offsets);
}

auto put_absent(Builder& builder, const std::vector<Absent>& absent) {
  std::vector<flatbuffers::Offset<fbs::Absent>> offsets;
  offsets.reserve(absent.size());
  for (const Absent& one : absent) {
    const auto metric = put_always(builder, one.metric);
    offsets.push_back(fbs::CreateAbsent(builder, metric, put_sentence(builder, one.reason)));
  }
  using Offsets = decltype(builder.CreateVector(offsets));
  return offsets.empty() ? Offsets{} : builder.CreateVector(offsets);
}

flatbuffers::Offset<fbs::Process> put_process(Builder& builder, const ProcessMetrics& from) {
  if (from == ProcessMetrics{}) return {};
  return fbs::CreateProcess(builder, finite(from.cpu_seconds), from.rss_bytes, from.threads,
                            from.fds, from.fd_limit, from.voluntary_switches,
                            from.involuntary_switches, from.minor_faults, from.major_faults,
                            from.read_bytes, from.written_bytes, from.memory_bytes,
                            from.processes, finite(from.run_delay_seconds),
                            finite(from.throttled_seconds), finite(from.cpu_pressure_seconds),
                            finite(from.memory_pressure_seconds), finite(from.io_pressure_seconds),
                            from.oom_kills);
}

flatbuffers::Offset<fbs::Sockets> put_sockets(Builder& builder, const SocketMetrics& from) {
  if (from == SocketMetrics{}) return {};
  std::vector<flatbuffers::Offset<fbs::RemotePort>> remotes;
  remotes.reserve(from.remotes.size());
  for (const RemotePort& remote : from.remotes) {
    remotes.push_back(fbs::CreateRemotePort(builder, remote.port, remote.connections,
                                            remote.connecting, finite(remote.rtt_seconds),
                                            remote.retransmits, remote.failed_connects));
  }
  using Offsets = decltype(builder.CreateVector(remotes));
  const auto list = remotes.empty() ? Offsets{} : builder.CreateVector(remotes);
  return fbs::CreateSockets(builder, from.inbound, from.outbound, from.connecting, from.close_wait,
                            from.accept_queue, from.accept_limit, from.unsent_bytes,
                            finite(from.rtt_seconds), from.retransmits, from.accept_overflows,
                            from.failed_connects, list);
}

flatbuffers::Offset<fbs::Histogram> put_histogram(Builder& builder, const ExpHistogram& from) {
  if (from.empty()) return {};
  const auto counts = from.counts();
  const auto values = builder.CreateVector(counts.data(), counts.size());
  return fbs::CreateHistogram(builder, ExpHistogram::kScale, from.offset(), values);
}

auto put_classes(Builder& builder, const std::vector<RequestClass>& from) {
  std::vector<flatbuffers::Offset<fbs::RequestClass>> classes;
  classes.reserve(from.size());
  for (const RequestClass& one : from) {
    const auto name = put_always(builder, one.name);
    const auto latency = put_histogram(builder, one.latency);
    classes.push_back(
        fbs::CreateRequestClass(builder, name, one.requests, one.errors, latency));
  }
  using Offsets = decltype(builder.CreateVector(classes));
  return classes.empty() ? Offsets{} : builder.CreateVector(classes);
}

flatbuffers::Offset<fbs::Requests> put_requests(Builder& builder,
                                                const std::optional<RequestMetrics>& from) {
  if (!from) return {};
  const auto latency = put_histogram(builder, from->latency);
  const auto classes = put_classes(builder, from->classes);
  return fbs::CreateRequests(builder, from->requests, from->errors, from->aborted, from->limited,
                             from->client, from->slow_slo, latency, classes);
}

flatbuffers::Offset<fbs::AgentSelf> put_self(Builder& builder,
                                             const std::optional<AgentSelf>& from) {
  if (!from) return {};
  const auto version = put(builder, from->version);
  return fbs::CreateAgentSelf(builder, version, from->cpu_seconds, from->rss_bytes,
                              from->ring_dropped, from->reconnects, from->publish_failures,
                              from->lines_skipped, from->late_ticks, from->worst_late_us,
                              from->messages_sent);
}

// ---- reading

std::vector<NamedValue> read_named(const NamedVector* from, std::string_view field,
                                   Fields& faults) {
  const uint32_t count = count_of(from, field, limits::kMetrics, faults);
  std::vector<NamedValue> values;
  values.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    values.push_back(
        {.name = text(from->Get(i)->name(), field, faults), .value = from->Get(i)->value()});
  }
  return values;
}

std::vector<Absent> read_absent(const flatbuffers::Vector<flatbuffers::Offset<fbs::Absent>>* from,
                                Fields& faults) {
  const uint32_t count = count_of(from, "absent", limits::kMetrics, faults);
  std::vector<Absent> absent;
  absent.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    absent.push_back({.metric = text(from->Get(i)->metric(), "absent.metric", faults),
                      .reason = text(from->Get(i)->reason(), "absent.reason", faults)});
  }
  return absent;
}

ProcessMetrics read_process(const fbs::Process* from) {
  if (from == nullptr) return {};
  return {.cpu_seconds = from->cpu_seconds(),
          .rss_bytes = from->rss_bytes(),
          .threads = from->threads(),
          .fds = from->fds(),
          .fd_limit = from->fd_limit(),
          .voluntary_switches = from->voluntary_switches(),
          .involuntary_switches = from->involuntary_switches(),
          .minor_faults = from->minor_faults(),
          .major_faults = from->major_faults(),
          .read_bytes = from->read_bytes(),
          .written_bytes = from->written_bytes(),
          .memory_bytes = from->memory_bytes(),
          .processes = from->processes(),
          .run_delay_seconds = from->run_delay_seconds(),
          .throttled_seconds = from->throttled_seconds(),
          .cpu_pressure_seconds = from->cpu_pressure_seconds(),
          .memory_pressure_seconds = from->memory_pressure_seconds(),
          .io_pressure_seconds = from->io_pressure_seconds(),
          .oom_kills = from->oom_kills()};
}

SocketMetrics read_sockets(const fbs::Sockets* from, Fields& faults) {
  if (from == nullptr) return {};
  SocketMetrics sockets{.inbound = from->inbound(),
                        .outbound = from->outbound(),
                        .connecting = from->connecting(),
                        .close_wait = from->close_wait(),
                        .accept_queue = from->accept_queue(),
                        .accept_limit = from->accept_limit(),
                        .unsent_bytes = from->unsent_bytes(),
                        .rtt_seconds = from->rtt_seconds(),
                        .retransmits = from->retransmits(),
                        .accept_overflows = from->accept_overflows(),
                        .failed_connects = from->failed_connects(),
                        .remotes = {}};
  const uint32_t count = count_of(from->remotes(), "sockets.remotes", limits::kRemotes, faults);
  sockets.remotes.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto& remote = *from->remotes()->Get(i);
    sockets.remotes.push_back({.port = remote.port(),
                               .connections = remote.connections(),
                               .connecting = remote.connecting(),
                               .rtt_seconds = remote.rtt_seconds(),
                               .retransmits = remote.retransmits(),
                               .failed_connects = remote.failed_connects()});
  }
  return sockets;
}

/// The verifier looks at the bounds of such a list, not at its alignment: Get() would be undefined.
uint64_t number_at(const flatbuffers::Vector<uint64_t>& from, uint32_t index) {
  uint64_t value = 0;
  std::memcpy(&value, from.Data() + size_t{index} * sizeof value, sizeof value);
  return flatbuffers::EndianScalar(value);
}

/// What a fault calls a histogram.
struct HistogramNames {
  std::string_view whole, counts;
};
constexpr HistogramNames kLatency = {"requests.latency", "requests.latency.counts"};
constexpr HistogramNames kClassLatency = {"requests.classes.latency",
                                          "requests.classes.latency.counts"};

ExpHistogram read_histogram(const fbs::Histogram* from, const HistogramNames& names,
                            Fields& faults) {
  if (from == nullptr || from->counts() == nullptr) return {};
  const uint32_t count = count_of(from->counts(), names.counts, kMaxBuckets, faults);
  std::vector<uint64_t> counts;
  counts.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    counts.push_back(number_at(*from->counts(), i));
    faults.most(counts.back(), names.counts, limits::kCount);
  }
  if (!faults.good()) return {};
  auto histogram = ExpHistogram::from_parts(from->scale(), from->offset(), counts);
  if (histogram) return std::move(*histogram);
  faults.fault(names.whole, histogram.error().message);
  return {};
}

std::vector<RequestClass> read_classes(
    const flatbuffers::Vector<flatbuffers::Offset<fbs::RequestClass>>* from, Fields& faults) {
  const uint32_t count = count_of(from, "requests.classes", limits::kClasses, faults);
  std::vector<RequestClass> classes;
  classes.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto& one = *from->Get(i);
    classes.push_back({.name = text(one.name(), "requests.classes.name", faults),
                       .requests = one.requests(),
                       .errors = one.errors(),
                       .latency = read_histogram(one.latency(), kClassLatency, faults)});
  }
  return classes;
}

std::optional<RequestMetrics> read_requests(const fbs::Requests* from, Fields& faults) {
  if (from == nullptr) return std::nullopt;
  return RequestMetrics{.requests = from->requests(),
                        .errors = from->errors(),
                        .aborted = from->aborted(),
                        .limited = from->limited(),
                        .client = from->client(),
                        .slow_slo = from->slow_slo(),
                        .latency = read_histogram(from->latency(), kLatency, faults),
                        .classes = read_classes(from->classes(), faults)};
}

std::optional<AgentSelf> read_self(const fbs::AgentSelf* from, Fields& faults) {
  if (from == nullptr) return std::nullopt;
  return AgentSelf{.version = text(from->version(), "self.version", faults),
                   .cpu_seconds = from->cpu_seconds(),
                   .rss_bytes = from->rss_bytes(),
                   .ring_dropped = from->ring_dropped(),
                   .reconnects = from->reconnects(),
                   .publish_failures = from->publish_failures(),
                   .lines_skipped = from->lines_skipped(),
                   .late_ticks = from->late_ticks(),
                   .worst_late_us = from->worst_late_us(),
                   .messages_sent = from->messages_sent()};
}

Sample read(const fbs::Sample& from, Fields& faults) {
  Sample sample{.from = read_identity(*from.from(), faults),
                .service = text(from.service(), "service", faults),
                .version = text(from.version(), "version", faults),
                .selected = text(from.selected(), "selected", faults),
                .generation = text(from.generation(), "generation", faults),
                .phase = known<Phase>(from.phase(), fbs::Phase::MAX, "phase", faults),
                .interval_us = from.interval_us(),
                .age_us = from.age_us(),
                .wall_us = from.wall_us(),
                .process_age_us = from.process_age_us(),
                .history = from.history(),
                .ambiguous = from.ambiguous(),
                .process = read_process(from.process()),
                .requests = read_requests(from.requests(), faults),
                .counters = read_named(from.counters(), "counters", faults),
                .gauges = read_named(from.gauges(), "gauges", faults),
                .absent = read_absent(from.absent(), faults),
                .self = read_self(from.self(), faults),
                .sockets = read_sockets(from.sockets(), faults)};
  if (const auto outcome = check(sample, Origin::wire); !outcome) faults.fault(outcome.error());
  return sample;
}

}  // namespace

Bytes encode(const Sample& sample) {
  Builder builder(1024);  // what most samples need
  const auto from = put_identity(builder, sample.from);
  const auto service = put_always(builder, sample.service);
  const auto version = put(builder, sample.version);
  const auto selected = put(builder, sample.selected);
  const auto generation = put(builder, sample.generation);
  const auto process = put_process(builder, sample.process);
  const auto requests = put_requests(builder, sample.requests);
  const auto counters = put_named(builder, sample.counters);
  const auto gauges = put_named(builder, sample.gauges);
  const auto absent = put_absent(builder, sample.absent);
  const auto self = put_self(builder, sample.self);
  const auto sockets = put_sockets(builder, sample.sockets);
  fbs::FinishSampleBuffer(
      builder,
      fbs::CreateSample(builder, from, service, version, selected, generation,
                        static_cast<fbs::Phase>(sample.phase), sample.interval_us, sample.age_us,
                        sample.wall_us, sample.process_age_us, sample.history, sample.ambiguous,
                        process, requests, counters, gauges, absent, self, sockets));
  return finished(builder);
}

Result<Sample> decode_sample(std::span<const uint8_t> bytes) {
  return decode<fbs::Sample>(bytes, "sample", fbs::SampleIdentifier(), kMaxMessageBytes, read);
}

}  // namespace serin::wire
