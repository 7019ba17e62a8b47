#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "schema/capture.h"
#include "schema/check.h"
#include "schema/json_reader.h"
#include "schema/limits.h"
#include "schema/sample_fields.h"
#include "schema/text.h"

namespace serin::capture {
namespace {

constexpr size_t kMostBuckets = ExpHistogram::kMaxIndex - ExpHistogram::kMinIndex + 1;
constexpr size_t kMostLineBytes =
    1 << 20;  // a message of 64 KiB is far shorter, even with every byte escaped

/// What a line says, whatever its kind: `event` or `control` may stand anywhere in it.
struct Draft {
  std::optional<int64_t> t_us, stored_us, interval_us;
  uint64_t seq = 0;
  std::optional<std::string> host, service, version;
  std::optional<std::string> event, control, act;
  std::optional<uint64_t> requests, errors;
  std::optional<ExpHistogram> latency;
  RequestMetrics other_requests;  ///< all but requests, errors and latency
  Sample sample;                  ///< what only samples have, and what events share
  Event details;                  ///< what only events have; a control's reason and deploy too
  Control order;                  ///< what only controls have
};

using Read = void (*)(Draft&, JsonReader&);
struct Key {
  std::string_view name;
  Read read;
};

ExpHistogram read_latency(JsonReader& in) {
  int64_t scale = ExpHistogram::kScale;
  int64_t offset = 0;
  std::vector<uint64_t> counts;
  in.members([&](std::string_view key) {
    if (key == "scale") {
      scale = in.integer();
    } else if (key == "offset") {
      offset = in.integer();
    } else if (key == "counts") {
      in.elements([&] {
        counts.push_back(in.count());
        if (counts.size() > kMostBuckets) in.fault("too many buckets");
      });
    } else {
      in.skip();
    }
  });
  if (!in.ok()) return {};
  const auto whole = [](int64_t value) {
    return static_cast<int32_t>(std::clamp<int64_t>(value, -100'000, 100'000));
  };
  auto histogram = ExpHistogram::from_parts(whole(scale), whole(offset), counts);
  if (histogram) return std::move(*histogram);
  in.fault(histogram.error().message);
  return {};
}

void read_metrics(JsonReader& in, ProcessMetrics& process, Measure measure,
                  std::vector<NamedValue>& others) {
  in.members([&](std::string_view key) {
    if (in.take_null()) return;
    for (const ProcessSeconds& field : kProcessSeconds) {
      if (measure == Measure::amount && field.name() == key) {
        process.*field.value = in.number();
        return;
      }
    }
    for (const ProcessField& field : kProcessFields) {
      if (field.measure == measure && field.name() == key) {
        process.*field.value = in.rounded_count();
        return;
      }
    }
    others.push_back({.name = std::string(key), .value = in.number()});
    if (others.size() > limits::kMetrics) in.fault("too many metrics");
  });
}

std::vector<RemotePort> read_remotes(JsonReader& in) {
  std::vector<RemotePort> remotes;
  in.elements([&] {
    RemotePort& remote = remotes.emplace_back();
    in.members([&](std::string_view key) {
      if (key == "port") {
        const uint64_t port = in.count();
        if (port > UINT16_MAX) in.fault("is not a port");
        remote.port = static_cast<uint16_t>(port);
      } else if (key == "connections") {
        remote.connections = in.count();
      } else if (key == "connecting") {
        remote.connecting = in.count();
      } else if (key == "rtt") {
        remote.rtt_seconds = in.number();
      } else if (key == "retransmits") {
        remote.retransmits = in.count();
      } else if (key == "failed_connects") {
        remote.failed_connects = in.count();
      } else {
        in.skip();
      }
    });
    if (remotes.size() > limits::kRemotes) in.fault("too many ports");
  });
  return remotes;
}

SocketMetrics read_sockets(JsonReader& in) {
  SocketMetrics sockets;
  in.members([&](std::string_view key) {
    if (key == "rtt") return static_cast<void>(sockets.rtt_seconds = in.number());
    if (key == "remotes") return static_cast<void>(sockets.remotes = read_remotes(in));
    for (const SocketField& field : kSocketFields) {
      if (field.name == key) return static_cast<void>(sockets.*field.value = in.count());
    }
    in.skip();
  });
  return sockets;
}

std::vector<RequestClass> read_classes(JsonReader& in) {
  std::vector<RequestClass> classes;
  in.members([&](std::string_view name) {
    RequestClass& one = classes.emplace_back();
    one.name = name;
    in.members([&](std::string_view key) {
      if (key == "requests") {
        one.requests = in.count();
      } else if (key == "errors") {
        one.errors = in.count();
      } else if (key == "latency") {
        one.latency = read_latency(in);
      } else {
        in.skip();
      }
    });
    if (classes.size() > limits::kClasses) in.fault("too many classes");
  });
  std::ranges::sort(classes, {}, &RequestClass::name);
  return classes;
}

std::vector<Absent> read_absent(JsonReader& in) {
  std::vector<Absent> absent;
  in.members([&](std::string_view key) {
    absent.push_back({.metric = std::string(key), .reason = in.string()});
    if (absent.size() > limits::kMetrics) in.fault("too many metrics");
  });
  return absent;
}

AgentSelf read_self(JsonReader& in) {
  AgentSelf self;
  in.members([&](std::string_view key) {
    if (key == "version") {
      self.version = in.string();
    } else if (key == "cpu_seconds") {
      self.cpu_seconds = in.number();
    } else {
      for (const SelfField& field : kSelfFields) {
        if (field.name == key) return static_cast<void>(self.*field.value = in.count());
      }
      in.skip();
    }
  });
  return self;
}

std::vector<std::pair<std::string, std::string>> read_facts(JsonReader& in) {
  std::vector<std::pair<std::string, std::string>> facts;
  in.members([&](std::string_view key) {
    facts.emplace_back(key, in.string());
    if (facts.size() > limits::kFacts) in.fault("too many facts");
  });
  return facts;
}

template <typename E>
E read_name(JsonReader& in, std::optional<E> (*from)(std::string_view)) {
  const std::string name = in.string();
  const auto value = from(name);
  if (!value) in.fault(fmt::format("unknown name '{}'", plain_text(name, limits::kNameBytes)));
  return value.value_or(E{});
}

std::optional<int32_t> read_status(JsonReader& in) {
  const int64_t value = in.integer();
  if (value < INT32_MIN || value > INT32_MAX) in.fault("out of range");
  return static_cast<int32_t>(value);
}

uint64_t read_span(JsonReader& in) {
  const int64_t micros = in.microseconds();
  if (micros < 0) in.fault("must not be negative");
  return micros < 0 ? 0 : static_cast<uint64_t>(micros);
}

/// A policy or a warm-up stands in the line as it is, or, where somebody's tool wrote it so, as a
/// text.
std::string read_json(JsonReader& in) {
  return in.peek() == '"' ? in.string() : std::string(in.skip());
}

// Sorted by name, for a binary search.
constexpr std::array kKeys = {
    Key{"aborted", [](Draft& d, JsonReader& in) { d.other_requests.aborted = in.count(); }},
    Key{"absent", [](Draft& d, JsonReader& in) { d.sample.absent = read_absent(in); }},
    Key{"act", [](Draft& d, JsonReader& in) { d.order.act = read_name(in, act_from); }},
    Key{"actor", [](Draft& d, JsonReader& in) { d.order.actor = in.string(); }},
    Key{"agent_start",
        [](Draft& d, JsonReader& in) { d.sample.from.agent_start_us = read_span(in); }},
    Key{"ambiguous", [](Draft& d, JsonReader& in) { d.sample.ambiguous = in.boolean(); }},
    Key{"artefact", [](Draft& d, JsonReader& in) { d.details.artefact = in.string(); }},
    Key{"boot", [](Draft& d, JsonReader& in) { d.sample.from.boot_id = in.string(); }},
    Key{"cause", [](Draft& d, JsonReader& in) { d.details.cause = read_name(in, cause_from); }},
    Key{"classes", [](Draft& d, JsonReader& in) { d.other_requests.classes = read_classes(in); }},
    Key{"client", [](Draft& d, JsonReader& in) { d.other_requests.client = in.count(); }},
    Key{"code", [](Draft& d, JsonReader& in) { d.details.exit_code = read_status(in); }},
    Key{"command", [](Draft& d, JsonReader& in) { d.details.command = in.string(); }},
    Key{"control", [](Draft& d, JsonReader& in) { d.control = in.string(); }},
    Key{"counters",
        [](Draft& d, JsonReader& in) {
          read_metrics(in, d.sample.process, Measure::amount, d.sample.counters);
        }},
    Key{"deploy", [](Draft& d, JsonReader& in) { d.details.deploy = in.string(); }},
    Key{"errors", [](Draft& d, JsonReader& in) { d.errors = in.count(); }},
    Key{"event", [](Draft& d, JsonReader& in) { d.event = in.string(); }},
    Key{"expected", [](Draft& d, JsonReader& in) { d.details.expected = in.boolean(); }},
    Key{"facts", [](Draft& d, JsonReader& in) { d.details.facts = read_facts(in); }},
    Key{"gauges",
        [](Draft& d,
           JsonReader&
               in) { read_metrics(in, d.sample.process, Measure::level, d.sample.gauges); }},
    Key{"generation", [](Draft& d, JsonReader& in) { d.sample.generation = in.string(); }},
    Key{"history", [](Draft& d, JsonReader& in) { d.sample.history = in.boolean(); }},
    Key{"host", [](Draft& d, JsonReader& in) { d.host = in.string(); }},
    Key{"id", [](Draft& d, JsonReader& in) { d.order.id = in.string(); }},
    Key{"interval", [](Draft& d, JsonReader& in) { d.interval_us = in.microseconds(); }},
    Key{"irreversible", [](Draft& d, JsonReader& in) { d.order.irreversible = in.boolean(); }},
    Key{"latency", [](Draft& d, JsonReader& in) { d.latency = read_latency(in); }},
    Key{"limited", [](Draft& d, JsonReader& in) { d.other_requests.limited = in.count(); }},
    Key{"phase", [](Draft& d, JsonReader& in) { d.sample.phase = read_name(in, phase_from); }},
    Key{"policy", [](Draft& d, JsonReader& in) { d.order.policy_json = read_json(in); }},
    Key{"previous", [](Draft& d, JsonReader& in) { d.details.previous = in.string(); }},
    Key{"process_age", [](Draft& d, JsonReader& in) { d.sample.process_age_us = read_span(in); }},
    Key{"reason", [](Draft& d, JsonReader& in) { d.details.reason = in.string(); }},
    Key{"requests", [](Draft& d, JsonReader& in) { d.requests = in.count(); }},
    Key{"same_name", [](Draft& d, JsonReader& in) { d.details.same_name = in.boolean(); }},
    Key{"selected", [](Draft& d, JsonReader& in) { d.sample.selected = in.string(); }},
    Key{"self", [](Draft& d, JsonReader& in) { d.sample.self = read_self(in); }},
    Key{"seq", [](Draft& d, JsonReader& in) { d.seq = in.count(); }},
    Key{"sequence", [](Draft& d, JsonReader& in) { d.sample.from.sequence = in.count(); }},
    Key{"service", [](Draft& d, JsonReader& in) { d.service = in.string(); }},
    Key{"signal", [](Draft& d, JsonReader& in) { d.details.signal = read_status(in); }},
    Key{"slow_slo", [](Draft& d, JsonReader& in) { d.other_requests.slow_slo = in.count(); }},
    Key{"sockets", [](Draft& d, JsonReader& in) { d.sample.sockets = read_sockets(in); }},
    Key{"step", [](Draft& d, JsonReader& in) { d.details.step = in.string(); }},
    Key{"stored", [](Draft& d, JsonReader& in) { d.stored_us = in.microseconds(); }},
    Key{"t", [](Draft& d, JsonReader& in) { d.t_us = in.microseconds(); }},
    Key{"version", [](Draft& d, JsonReader& in) { d.version = in.string(); }},
    Key{"wall", [](Draft& d, JsonReader& in) { d.sample.wall_us = in.microseconds(); }},
    Key{"warmup", [](Draft& d, JsonReader& in) { d.order.warmup_json = read_json(in); }},
};
static_assert(std::ranges::is_sorted(kKeys, {}, &Key::name));

Result<Draft> read_draft(std::string_view line) {
  JsonReader in(line);
  Draft draft;
  in.members([&](std::string_view name) {
    const auto key = std::ranges::lower_bound(kKeys, name, {}, &Key::name);
    if (key == kKeys.end() || key->name != name) return static_cast<void>(in.skip());
    if (!in.take_null()) key->read(draft, in);
  });
  in.end();
  if (!in.ok()) return fail(in.error());
  return draft;
}

std::optional<std::string_view> missing_key(const Draft& draft) {
  if (!draft.t_us) return "t";
  if (draft.control) return std::nullopt;
  if (!draft.host) return "host";
  if (!draft.service) return "service";
  if (draft.event) return std::nullopt;
  if (!draft.version) return "version";
  if (!draft.interval_us) return "interval";
  const bool answers = draft.requests || draft.errors || draft.latency;
  if (answers && !draft.requests) return "requests";
  if (answers && !draft.errors) return "errors";
  if (answers && !draft.latency) return "latency";
  return std::nullopt;
}

Result<Sample> take_sample(Draft& draft) {
  if (*draft.interval_us < 1 || *draft.interval_us > limits::kIntervalUs) {
    return fail("interval: is not between 1 µs and 1 h");
  }
  Sample sample = std::move(draft.sample);
  sample.from.host = std::move(*draft.host);
  sample.service = std::move(*draft.service);
  sample.version = std::move(*draft.version);
  sample.interval_us = static_cast<uint32_t>(*draft.interval_us);
  sample.age_us = *draft.stored_us - *draft.t_us;
  if (draft.requests) {
    sample.requests = draft.other_requests;
    sample.requests->requests = *draft.requests;
    sample.requests->errors = *draft.errors;
    sample.requests->latency = std::move(*draft.latency);
  }
  return sample;
}

Result<Event> take_event(Draft& draft) {
  const auto kind = event_kind_from(*draft.event);
  if (!kind)
    return fail(
        fmt::format("event: unknown name '{}'", plain_text(*draft.event, limits::kNameBytes)));
  Event event = std::move(draft.details);
  event.kind = *kind;
  event.from = std::move(draft.sample.from);
  event.from.host = std::move(*draft.host);
  event.service = std::move(*draft.service);
  event.version = std::move(draft.version).value_or("");
  event.selected = std::move(draft.sample.selected);
  event.generation = std::move(draft.sample.generation);
  event.ambiguous = draft.sample.ambiguous;
  event.age_us = *draft.stored_us - *draft.t_us;
  event.wall_us = draft.sample.wall_us;
  return event;
}

Result<Control> take_control(Draft& draft) {
  const auto kind = control_kind_from(*draft.control);
  if (!kind)
    return fail(
        fmt::format("control: unknown name '{}'", plain_text(*draft.control, limits::kNameBytes)));
  Control control = std::move(draft.order);
  control.kind = *kind;
  control.service = std::move(draft.service).value_or("");
  control.host = std::move(draft.host).value_or("");
  control.version = std::move(draft.version).value_or("");
  control.deploy = std::move(draft.details.deploy);
  control.reason = std::move(draft.details.reason);
  return control;
}

template <typename Body>
Result<Line> finish(const Draft& draft, Result<Body> body) {
  if (!body) return std::unexpected(body.error());
  if (auto outcome = check(*body, Origin::capture); !outcome)
    return std::unexpected(outcome.error());
  return Line{.stored_us = *draft.stored_us, .seq = draft.seq, .body = std::move(*body)};
}

}  // namespace

Result<Line> parse(std::string_view line) {
  if (line.size() > kMostLineBytes)
    return fail(fmt::format("a line of {} bytes, more than 1 MiB", line.size()));
  auto draft = read_draft(line);
  if (!draft) return std::unexpected(draft.error());
  if (const auto missing = missing_key(*draft))
    return fail(fmt::format("{}: is missing", *missing));
  if (!draft->stored_us) draft->stored_us = draft->t_us;
  if (*draft->stored_us < 0 || *draft->stored_us > limits::kTimeUs)
    return fail("stored: is not a time");
  if (draft->event && draft->control)
    return fail("control: a line is an event or a control, not both");
  if (draft->control) return finish(*draft, take_control(*draft));
  if (draft->event) return finish(*draft, take_event(*draft));
  return finish(*draft, take_sample(*draft));
}

}  // namespace serin::capture
