#include <algorithm>
#include <vector>

#include "schema/check.h"
#include "schema/check_identity.h"
#include "schema/fields.h"
#include "schema/sample_fields.h"

namespace serin {
namespace {

void check_process(Fields& fields, const ProcessMetrics& process) {
  for (const auto& field : kProcessSeconds) fields.amount(process.*field.value, field.path);
  for (const auto& field : kProcessFields) fields.amount(process.*field.value, field.path);
}

void check_sockets(Fields& fields, const SocketMetrics& sockets) {
  for (const auto& field : kSocketFields) fields.amount(sockets.*field.value, "sockets");
  fields.amount(sockets.rtt_seconds, "sockets.rtt_seconds");
  fields.most(sockets.remotes.size(), "sockets.remotes", limits::kRemotes);
  for (const RemotePort& remote : sockets.remotes) {
    for (const auto& amount : {std::optional(remote.connections), std::optional(remote.connecting),
                               remote.retransmits, remote.failed_connects}) {
      fields.amount(amount, "sockets.remotes");
    }
    fields.amount(remote.rtt_seconds, "sockets.remotes.rtt_seconds");
  }
  const bool sorted = std::ranges::adjacent_find(sockets.remotes, std::ranges::greater_equal{},
                                                 &RemotePort::port) == sockets.remotes.end();
  fields.expect(sorted, "sockets.remotes", "are not sorted by port, each once");
}

/// Sums of a bounded number of counts below kCount cannot overflow.
void check_classes(Fields& fields, const RequestMetrics& metrics) {
  fields.most(metrics.classes.size(), "requests.classes", limits::kClasses);
  if (!fields.good()) return;
  uint64_t requests = 0, errors = 0;
  for (const RequestClass& one : metrics.classes) {
    fields.text(one.name, "requests.classes.name", limits::kNameBytes, Need::required);
    fields.most(one.requests, "requests.classes.requests", limits::kCount);
    fields.expect(one.errors <= one.requests && one.latency.total() <= one.requests,
                  "requests.classes", "has more errors or latencies than requests");
    requests += std::min(one.requests, limits::kCount);
    errors += std::min(one.errors, limits::kCount);
  }
  fields.expect(requests <= metrics.requests && errors <= metrics.errors, "requests.classes",
                "are more than all requests together");
  const bool sorted = std::ranges::adjacent_find(metrics.classes, std::ranges::greater_equal{},
                                                 &RequestClass::name) == metrics.classes.end();
  fields.expect(sorted, "requests.classes", "are not sorted by name, each once");
}

void check_requests(Fields& fields, const RequestMetrics& metrics) {
  fields.most(metrics.requests, "requests.requests", limits::kCount);
  uint64_t left = metrics.requests;
  for (const uint64_t part : {metrics.errors, metrics.aborted, metrics.limited, metrics.client}) {
    if (part > left) {
      return fields.fault(
          "requests", "errors, aborted, limited and client are more than all requests together");
    }
    left -= part;
  }
  fields.expect(metrics.slow_slo <= metrics.requests, "requests.slow_slo",
                "is more than all requests");
  fields.expect(metrics.latency.total() <= metrics.requests, "requests.latency",
                "holds more than all requests");
  check_classes(fields, metrics);
}

enum class Values : uint8_t { any, amounts };

void check_named(Fields& fields, const std::vector<NamedValue>& values, std::string_view field,
                 Values kind) {
  fields.most(values.size(), field, limits::kMetrics);
  if (!fields.good()) return;
  std::vector<std::string_view> names;
  names.reserve(values.size());
  for (const NamedValue& value : values) {
    fields.text(value.name, field, limits::kNameBytes, Need::required);
    if (is_process_metric(value.name))
      fields.fault(field, value.name + " is a name of the process's own metrics");
    const bool in_range = std::isfinite(value.value) && (kind == Values::any || value.value >= 0);
    if (!in_range) {
      fields.fault(
          field, value.name + (kind == Values::any ? " is not finite" : " is not a finite amount"));
    }
    names.push_back(value.name);
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) fields.fault(field, fmt::format("{} is there twice", *twice));
}

void check_self(Fields& fields, const AgentSelf& self) {
  fields.text(self.version, "self.version", limits::kNameBytes);
  fields.amount(std::optional(self.cpu_seconds), "self.cpu_seconds");
  fields.amount(std::optional(self.rss_bytes), "self.rss_bytes");
  for (const auto& field : kSelfFields) fields.most(self.*field.value, "self", limits::kAmount);
}

}  // namespace

bool is_process_metric(std::string_view name) {
  return std::ranges::find(kProcessFields, name, &ProcessField::name) != kProcessFields.end() ||
         std::ranges::find(kProcessSeconds, name, &ProcessSeconds::name) != kProcessSeconds.end();
}

Result<void> check(const Sample& sample, Origin origin) {
  Fields fields("sample");
  check_identity(fields, sample.from, sample.service, origin);
  fields.version(sample.version, "version");
  fields.version(sample.selected, "selected");
  fields.text(sample.generation, "generation", limits::kIdBytes);
  fields.expect(sample.interval_us >= 1 && sample.interval_us <= limits::kIntervalUs, "interval",
                "is not between 1 µs and 1 h");
  check_times(fields, sample.age_us, sample.wall_us);
  if (sample.process_age_us) {
    fields.most(*sample.process_age_us, "process_age", static_cast<uint64_t>(limits::kTimeUs));
  }
  check_process(fields, sample.process);
  if (sample.requests) check_requests(fields, *sample.requests);
  check_named(fields, sample.counters, "counters", Values::amounts);
  check_named(fields, sample.gauges, "gauges", Values::any);
  fields.most(sample.absent.size(), "absent", limits::kMetrics);
  for (const Absent& absent : sample.absent) {
    fields.text(absent.metric, "absent.metric", limits::kNameBytes, Need::required);
    fields.text(absent.reason, "absent.reason", limits::kTextBytes);
  }
  if (sample.self) check_self(fields, *sample.self);
  check_sockets(fields, sample.sockets);
  return fields.outcome();
}

}  // namespace serin
