#include "schema/capture.h"
#include "schema/json_reader.h"
#include "schema/json_writer.h"
#include "schema/sample_fields.h"

namespace serin::capture {
namespace {

// Extras stand in a line only where they say something.

void put_text(JsonWriter& out, std::string_view key, std::string_view value) {
  if (!value.empty()) out.key(key).text(value);
}
void put_flag(JsonWriter& out, std::string_view key, bool value) {
  if (value) out.key(key).boolean(true);
}
void put_count(JsonWriter& out, std::string_view key, uint64_t value) {
  if (value != 0) out.key(key).integer(value);
}
void put_status(JsonWriter& out, std::string_view key, std::optional<int32_t> value) {
  if (value) out.key(key).integer(*value);
}
void put_seconds(JsonWriter& out, std::string_view key, int64_t microseconds) {
  if (microseconds != 0) out.key(key).seconds(microseconds);
}

void put_latency(JsonWriter& out, const ExpHistogram& latency) {
  out.key("latency").open().key("scale").integer(ExpHistogram::kScale);
  out.key("offset").integer(latency.offset()).key("counts").open('[');
  for (const uint64_t count : latency.counts()) out.integer(count);
  out.close(']').close();
}

/// Amounts stand under "counters", levels under "gauges", each by its own name.
void put_metrics(JsonWriter& out, std::string_view key, const ProcessMetrics& process,
                 Measure measure, const std::vector<NamedValue>& others) {
  out.key(key).open();
  for (const ProcessSeconds& field : kProcessSeconds) {
    if (measure == Measure::amount && process.*field.value)
      out.key(field.name()).number(*(process.*field.value));
  }
  for (const ProcessField& field : kProcessFields) {
    if (field.measure == measure && process.*field.value)
      out.key(field.name()).integer(*(process.*field.value));
  }
  for (const NamedValue& value : others) out.key(value.name).number(value.value);
  out.close();
}

void put_remotes(JsonWriter& out, const std::vector<RemotePort>& remotes) {
  out.key("remotes").open('[');
  for (const RemotePort& remote : remotes) {
    out.open().key("port").integer(remote.port).key("connections").integer(remote.connections);
    put_count(out, "connecting", remote.connecting);
    if (remote.rtt_seconds) out.key("rtt").number(*remote.rtt_seconds);
    if (remote.retransmits) out.key("retransmits").integer(*remote.retransmits);
    if (remote.failed_connects) out.key("failed_connects").integer(*remote.failed_connects);
    out.close();
  }
  out.close(']');
}

void put_sockets(JsonWriter& out, const SocketMetrics& sockets) {
  if (sockets == SocketMetrics{}) return;
  out.key("sockets").open();
  for (const SocketField& field : kSocketFields) {
    if (sockets.*field.value) out.key(field.name).integer(*(sockets.*field.value));
  }
  if (sockets.rtt_seconds) out.key("rtt").number(*sockets.rtt_seconds);
  if (!sockets.remotes.empty()) put_remotes(out, sockets.remotes);
  out.close();
}

void put_classes(JsonWriter& out, const std::vector<RequestClass>& classes) {
  if (classes.empty()) return;
  out.key("classes").open();
  for (const RequestClass& one : classes) {
    out.key(one.name).open().key("requests").integer(one.requests);
    put_count(out, "errors", one.errors);
    if (!one.latency.empty()) put_latency(out, one.latency);
    out.close();
  }
  out.close();
}

void put_self(JsonWriter& out, const AgentSelf& self) {
  out.key("self")
      .open()
      .key("version")
      .text(self.version)
      .key("cpu_seconds")
      .number(self.cpu_seconds);
  for (const SelfField& field : kSelfFields) out.key(field.name).integer(self.*field.value);
  out.close();
}

void put_pairs(JsonWriter& out, const std::vector<std::pair<std::string, std::string>>& pairs) {
  out.open();
  for (const auto& [key, value] : pairs) out.key(key).text(value);
  out.close();
}

void put_head(JsonWriter& out, const Line& line, int64_t age_us) {
  out.open().key("t").seconds(line.stored_us - age_us);
}

/// Stored time and place in the stream, and who spoke.
void put_origin(JsonWriter& out, const Line& line, const Identity& from, int64_t age_us,
                int64_t wall_us) {
  if (age_us != 0) out.key("stored").seconds(line.stored_us);
  put_count(out, "seq", line.seq);
  put_seconds(out, "wall", wall_us);
  put_text(out, "boot", from.boot_id);
  put_seconds(out, "agent_start", static_cast<int64_t>(from.agent_start_us));
  put_count(out, "sequence", from.sequence);
}

void put_body(JsonWriter& out, const Line& line, const Sample& sample) {
  put_head(out, line, sample.age_us);
  out.key("host")
      .text(sample.from.host)
      .key("service")
      .text(sample.service)
      .key("version")
      .text(sample.version);
  out.key("interval").seconds(sample.interval_us);
  if (sample.requests) {
    out.key("requests")
        .integer(sample.requests->requests)
        .key("errors")
        .integer(sample.requests->errors);
    put_latency(out, sample.requests->latency);
  }
  put_metrics(out, "gauges", sample.process, Measure::level, sample.gauges);
  put_metrics(out, "counters", sample.process, Measure::amount, sample.counters);
  put_origin(out, line, sample.from, sample.age_us, sample.wall_us);
  put_text(out, "generation", sample.generation);
  if (sample.phase != Phase::serving) out.key("phase").text(name(sample.phase));
  put_text(out, "selected", sample.selected);
  if (sample.requests) {
    put_count(out, "aborted", sample.requests->aborted);
    put_count(out, "limited", sample.requests->limited);
    put_count(out, "client", sample.requests->client);
    put_count(out, "slow_slo", sample.requests->slow_slo);
    put_classes(out, sample.requests->classes);
  }
  if (sample.process_age_us)
    out.key("process_age").seconds(static_cast<int64_t>(*sample.process_age_us));
  put_flag(out, "history", sample.history);
  put_flag(out, "ambiguous", sample.ambiguous);
  if (!sample.absent.empty()) {
    out.key("absent").open();
    for (const Absent& absent : sample.absent) out.key(absent.metric).text(absent.reason);
    out.close();
  }
  if (sample.self) put_self(out, *sample.self);
  put_sockets(out, sample.sockets);
}

void put_body(JsonWriter& out, const Line& line, const Event& event) {
  put_head(out, line, event.age_us);
  out.key("host")
      .text(event.from.host)
      .key("service")
      .text(event.service)
      .key("event")
      .text(name(event.kind));
  put_text(out, "version", event.version);
  put_text(out, "previous", event.previous);
  put_status(out, "code", event.exit_code);
  put_status(out, "signal", event.signal);
  put_origin(out, line, event.from, event.age_us, event.wall_us);
  put_text(out, "generation", event.generation);
  put_text(out, "selected", event.selected);
  if (event.cause != Cause::external) out.key("cause").text(name(event.cause));
  put_text(out, "artefact", event.artefact);
  put_flag(out, "same_name", event.same_name);
  put_flag(out, "ambiguous", event.ambiguous);
  put_flag(out, "expected", event.expected);
  put_text(out, "step", event.step);
  put_text(out, "reason", event.reason);
  put_text(out, "command", event.command);
  put_text(out, "deploy", event.deploy);
  if (!event.facts.empty()) put_pairs(out.key("facts"), event.facts);
}

/// A policy or a warm-up is written as the JSON that it is, so that people and `jq` can read it.
void put_json(JsonWriter& out, std::string_view key, std::string_view json) {
  if (json.empty()) return;
  JsonReader reader(json);
  const bool whole = reader.peek() == '{' && reader.skip() == json;
  reader.end();
  if (whole && reader.ok()) {
    out.key(key).raw(json);
  } else {
    out.key(key).text(json);
  }
}

void put_body(JsonWriter& out, const Line& line, const Control& control) {
  put_head(out, line, 0);
  out.key("control").text(name(control.kind));
  put_count(out, "seq", line.seq);
  put_text(out, "id", control.id);
  put_text(out, "service", control.service);
  put_json(out, "policy", control.policy_json);
  if (control.kind == ControlKind::act || control.act != Act::rollback)
    out.key("act").text(name(control.act));
  put_text(out, "deploy", control.deploy);
  put_text(out, "host", control.host);
  put_text(out, "actor", control.actor);
  put_text(out, "reason", control.reason);
  put_text(out, "version", control.version);
  put_flag(out, "irreversible", control.irreversible);
  put_json(out, "warmup", control.warmup_json);
}

}  // namespace

std::string format(const Line& line) {
  JsonWriter out;
  std::visit([&](const auto& body) { put_body(out, line, body); }, line.body);
  out.close();
  return out.take();
}

}  // namespace serin::capture
