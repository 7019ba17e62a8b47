#include "aggregator/api/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "schema/fact.h"

namespace serin::aggregator {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// Gathers the families of one scrape.
class Families : public prometheus::Collectable {
 public:
  void counter(const std::string& name, const std::string& help, uint64_t value,
               Labels labels = {}) {
    ClientMetric metric;
    metric.counter.value = static_cast<double>(value);
    add(name, help, MetricType::Counter, std::move(metric), std::move(labels));
  }
  void gauge(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    ClientMetric metric;
    metric.gauge.value = value;
    add(name, help, MetricType::Gauge, std::move(metric), std::move(labels));
  }
  [[nodiscard]] std::vector<MetricFamily> Collect() const override { return families_; }

 private:
  void add(const std::string& name, const std::string& help, MetricType type, ClientMetric metric,
           Labels labels) {
    metric.label = std::move(labels);
    if (families_.empty() || families_.back().name != name)
      families_.push_back({name, help, type, {}});
    families_.back().metric.push_back(std::move(metric));
  }
  std::vector<MetricFamily> families_;
};

void add_input(Families& out, const LiveView& view) {
  const auto counters = view.counters();
  const std::string messages = "serin_input_messages_total";
  const std::string help = "Messages of SERIN_INPUT that were folded, since this start";
  out.counter(messages, help, counters.samples, {{"kind", "sample"}});
  out.counter(messages, help, counters.events, {{"kind", "event"}});
  out.counter(messages, help, counters.controls, {{"kind", "control"}});
  out.counter("serin_input_unreadable_total", "Messages that could not be read",
              view.shell().unreadable);
  out.counter("serin_input_gaps_total", "Messages that hosts sent and that never arrived",
              counters.gaps);
  out.counter("serin_input_repeats_total", "Messages that came twice and were dropped",
              counters.repeats);
  out.counter("serin_input_late_total", "Samples that came after their step had closed",
              counters.late);
  out.counter("serin_input_refused_total", "Messages with an age below zero or above an hour",
              counters.refused);
  out.counter("serin_input_skewed_total", "Samples whose interval was clamped by more than 2 s",
              counters.skewed);
  out.counter("serin_input_unknown_version_total", "Samples of a version that was not announced",
              counters.unknown_version);
  out.counter("serin_facts_refused_total", "Facts of hosts that found no room",
              counters.facts_refused);
  out.gauge("serin_input_sequence", "Sequence of SERIN_INPUT folded last",
            static_cast<double>(view.last_sequence()));
  out.gauge("serin_fold_time_seconds", "The fold's canonical time",
            static_cast<double>(view.now_us()) / 1e6);
}

/// What untouched hosts have shown: one family after the other, since a family must be in one piece.
void add_placebos(Families& out, const std::vector<core::ServiceView>& services) {
  const auto each = [&](const auto& put) {
    for (const auto& service : services) {
      for (const auto& one : service.placebos) {
        put(one, Labels{{"service", service.name}, {"metric", one.metric}});
      }
    }
  };
  using View = core::PlaceboView;
  each([&](const View& one, Labels labels) {
    out.counter("serin_placebo_runs_total", "Untouched hosts judged for a watch, since this start",
                one.runs, std::move(labels));
  });
  each([&](const View& one, Labels labels) {
    out.counter("serin_placebo_fired_total", "Untouched hosts that were found to be worse",
                one.fired, std::move(labels));
  });
  each([&](const View& one, Labels labels) {
    out.gauge("serin_metric_widening", "Factor on a metric's spread between hosts", one.widening,
              std::move(labels));
  });
  each([&](const View& one, Labels labels) {
    out.gauge("serin_metric_advisory", "1: what the metric finds rolls nothing back",
              one.advisory ? 1 : 0, std::move(labels));
  });
}

/// Whether a rollback would work, as the hosts' helpers tell.
void add_readiness(Families& out, const LiveView& view) {
  std::map<std::pair<std::string, std::string>, size_t> ready;
  std::map<std::string, size_t> rehearsed;
  for (const auto& host : view.hosts("", core::FactScope::few)) {
    if (host.service == "_host" || host.gone) continue;
    std::string answer = "unknown";
    rehearsed[host.service];
    for (const auto& [name, value] : host.facts) {
      if (name == "rollback.ready") answer = value.starts_with("yes") ? "yes" : "no";
      if (name == "rollback.rehearsed_seconds" && !fact::is_absent(value)) ++rehearsed[host.service];
    }
    ++ready[{host.service, answer}];
  }
  for (const auto& [key, hosts] : ready) {
    out.gauge("serin_hosts_ready", "Hosts by whether a rollback would work there now",
              static_cast<double>(hosts), {{"service", key.first}, {"ready", key.second}});
  }
  for (const auto& [service, hosts] : rehearsed) {
    out.gauge("serin_hosts_rehearsed", "Hosts on which a rollback was rehearsed",
              static_cast<double>(hosts), {{"service", service}});
  }
  std::map<std::string_view, size_t> states;
  for (const auto& drill : view.drills()) ++states[core::name(drill.state)];
  for (const auto& [state, count] : states) {
    out.gauge("serin_drills", "Drills that are remembered, by state", static_cast<double>(count),
              {{"state", std::string(state)}});
  }
}

/// What the agents say of themselves, summed over the hosts. Gauges: a host that leaves takes its
/// part along.
void add_agents(Families& out, const LiveView& view) {
  std::map<std::string, AgentSelf> agents;  // a host has one, and a view for each service
  for (const auto& host : view.hosts("", core::FactScope::few))
    if (host.agent && !host.gone) agents.try_emplace(host.host, *host.agent);
  const auto sum = [&](const char* name, const char* help, auto AgentSelf::* value) {
    double total = 0;
    for (const auto& [host, self] : agents) total += static_cast<double>(self.*value);
    out.gauge(name, help, total);
  };
  out.gauge("serin_agents", "Hosts whose agent tells of itself",
            static_cast<double>(agents.size()));
  sum("serin_agents_cpu_seconds", "CPU time of the agents since their start",
      &AgentSelf::cpu_seconds);
  sum("serin_agents_resident_memory_bytes", "Memory of the agents", &AgentSelf::rss_bytes);
  sum("serin_agents_messages_dropped", "Messages that agents gave up unsent since their start",
      &AgentSelf::ring_dropped);
  sum("serin_agents_reconnects", "Times that agents came back to NATS since their start",
      &AgentSelf::reconnects);
  sum("serin_agents_lines_skipped", "Log lines that agents could not read since their start",
      &AgentSelf::lines_skipped);
  sum("serin_agents_late_ticks", "Samples that agents took late since their start",
      &AgentSelf::late_ticks);
}

void add_fleet(Families& out, const LiveView& view) {
  const std::string hosts_help = "Hosts by service and the version they run";
  for (const auto& service : view.services()) {
    for (const auto& [version, hosts] : service.versions) {
      out.gauge("serin_service_hosts", hosts_help, static_cast<double>(hosts),
                {{"service", service.name}, {"version", version}});
    }
  }
  add_placebos(out, view.services());
  add_readiness(out, view);
  add_agents(out, view);
  std::map<std::string_view, size_t> states;
  for (const auto& deploy : view.deploys()) ++states[core::name(deploy.state)];
  for (const auto& [state, count] : states) {
    out.gauge("serin_deploys", "Deploys by state", static_cast<double>(count),
              {{"state", std::string(state)}});
  }
}

void add_shell(Families& out, const LiveView& view, const std::map<int, uint64_t>& answers) {
  const ShellCounters shell = view.shell();
  out.gauge("serin_bus_connected", "1 while NATS is connected", view.connected() ? 1 : 0);
  out.gauge("serin_caught_up", "1 once the stream has been folded to its end",
            view.caught_up() ? 1 : 0);
  out.counter("serin_effects_published_total", "Decisions, commands and attention stored",
              shell.effects_published);
  out.counter("serin_effects_failed_total", "Attempts to publish that failed",
              shell.effect_failures);
  out.gauge("serin_effects_waiting", "Effects that wait to be published",
            static_cast<double>(shell.effects_waiting));
  out.counter("serin_clock_failures_total", "Clock ticks that were not stored",
              shell.clock_failures);
  out.counter("serin_store_failures_total", "Failures of the SQLite file", shell.store_failures);
  out.gauge("serin_store_debts", "Changes that the disk has not taken yet",
            static_cast<double>(shell.store_debts));
  out.gauge("serin_acts_waiting", "Acts that wait to be stored",
            static_cast<double>(shell.acts_waiting));
  for (const auto& [status, count] : answers) {
    out.counter("serin_http_answers_total", "HTTP answers", count,
                {{"status", std::to_string(status)}});
  }
  const auto per_sink = [&](const std::string& name, const std::string& help,
                            uint64_t ShellCounters::Sink::* value) {
    for (const auto& sink : shell.sinks)
      out.counter(name, help, sink.*value, {{"sink", sink.name}});
  };
  using Sink = ShellCounters::Sink;
  per_sink("serin_notifications_delivered_total", "Notifications that were taken",
           &Sink::delivered);
  per_sink("serin_notifications_failed_attempts_total", "Attempts that failed",
           &Sink::failed_attempts);
  per_sink("serin_notifications_given_up_total", "Notifications given up after all attempts",
           &Sink::given_up);
  per_sink("serin_notifications_dropped_total", "Notifications dropped from a full queue",
           &Sink::dropped);
  for (const auto& sink : shell.sinks) {
    out.gauge("serin_notifications_waiting", "Notifications that wait",
              static_cast<double>(sink.waiting), {{"sink", sink.name}});
  }
}

}  // namespace

std::string metrics_text(const LiveView& view, const std::map<int, uint64_t>& answers) {
  Families families;
  families.gauge("serin_build_info", "The version that runs", 1, {{"version", SERIN_VERSION}});
  add_input(families, view);
  add_fleet(families, view);
  add_shell(families, view, answers);
  return prometheus::TextSerializer().Serialize(families.Collect());
}

}  // namespace serin::aggregator
