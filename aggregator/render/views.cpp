#include <fmt/core.h>

#include <algorithm>

#include "aggregator/core/words.h"
#include "aggregator/render/json.h"
#include "aggregator/render/render.h"
#include "aggregator/render/time.h"

namespace serin::render {

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json time(int64_t time_us) {
  return time_us == 0 ? Json(nullptr) : Json(rfc3339(time_us));
}

Json evidence_of(std::optional<double> log_evidence) {
  if (!log_evidence || std::isnan(*log_evidence)) return nullptr;
  constexpr double kLargest = 1e300;
  return std::min(std::exp(*log_evidence), kLargest);
}

Json json_of(const Reason& reason) {
  return Json{{"kind", name(reason.kind)},
              {"metric", word(reason.metric)},
              {"canary", number(reason.canary)},
              {"baseline", number(reason.baseline)},
              {"effect", number(reason.effect)},
              {"evidence", evidence_of(reason.log_evidence)},
              {"log_evidence", number(reason.log_evidence)},
              {"threshold", number(reason.threshold)},
              {"host", word(reason.host)},
              {"text", reason.text}};
}

Json json_of(const core::MetricView& view) {
  return Json{{"metric", view.metric},
              {"host", word(view.host)},
              {"process", word(view.process)},
              {"canary", number(view.canary)},
              {"baseline", number(view.baseline)},
              {"effect", number(view.effect)},
              {"effect_low", number(view.effect_low)},
              {"effect_high", number(view.effect_high)},
              {"evidence", evidence_of(view.log_evidence)},
              {"log_evidence", number(view.log_evidence)},
              {"threshold", number(view.threshold)},
              {"visible_effect", number(view.visible_effect)},
              {"seconds_to_must_see", number(view.seconds_to_must_see)},
              {"text", view.text},
              {"fired", view.fired},
              {"baseline_hosts", view.baseline_hosts},
              {"edge_seconds", number(view.edge_seconds)},
              {"quantile", number(view.quantile)},
              {"next_effect", number(view.next_effect)},
              {"seconds_to_next_effect", number(view.seconds_to_next_effect)},
              {"must_see", word(view.must_see)},
              {"seconds_to_rollback", number(view.seconds_to_rollback)},
              {"warmup_margin", number(view.warmup_margin)},
              {"warmup_restarts", view.warmup_restarts},
              {"judged_from_seconds", number(view.judged_from_seconds)},
              {"slope", number(view.slope)},
              {"baseline_slope", number(view.baseline_slope)},
              {"slope_low", number(view.slope_low)},
              {"slope_high", number(view.slope_high)},
              {"assumed_room", number(view.room)},
              {"history_assumed", view.history_assumed}};
}

namespace {

constexpr double kMicroseconds = 1e6;

template <typename Views>
Json list(const Views& views, Json (*one)(const typename Views::value_type&)) {
  Json result = Json::array();
  for (const auto& view : views) result.push_back(one(view));
  return result;
}

Json placebo(const core::PlaceboView& view) {
  const auto rate = [](uint64_t fired, uint64_t runs) -> Json {
    if (runs == 0) return nullptr;
    return static_cast<double>(fired) / static_cast<double>(runs);
  };
  return Json{{"metric", view.metric},
              {"runs", view.runs},
              {"fired", view.fired},
              {"rate", rate(view.fired, view.runs)},
              {"runs_hour", view.runs_hour},
              {"fired_hour", view.fired_hour},
              {"rate_hour", rate(view.fired_hour, view.runs_hour)},
              {"widening", view.widening},
              {"advisory", view.advisory},
              {"text", word(view.text)}};
}

Json service(const core::ServiceView& view) {
  Json versions = Json::array();
  for (const auto& [version, hosts] : view.versions) {
    versions.push_back(Json{{"version", version}, {"hosts", hosts}});
  }
  return Json{{"name", view.name},           {"settled", view.settled},
              {"condemned", view.condemned}, {"hosts", view.hosts},
              {"versions", versions},        {"open_deploys", view.open_deploys},
              {"warmup",
               Json{{"restarts", view.warmup_restarts},
                    {"text", core::words_warmup(view.warmup_restarts)}}},
              {"placebos", list(view.placebos, placebo)}};
}

Json absent(const Absent& entry) {
  return Json{{"metric", entry.metric}, {"reason", entry.reason}};
}

Json facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  Json result = Json::object();
  for (const auto& [name, value] : facts) result[name] = value;
  return result;
}

Json agent(const std::optional<AgentSelf>& self) {
  if (!self) return nullptr;
  return Json{{"version", self->version},
              {"cpu_seconds", self->cpu_seconds},
              {"rss_bytes", self->rss_bytes},
              {"messages_sent", self->messages_sent},
              {"messages_dropped", self->ring_dropped},
              {"publish_failures", self->publish_failures},
              {"reconnects", self->reconnects},
              {"lines_skipped", self->lines_skipped},
              {"late_ticks", self->late_ticks},
              {"worst_late_seconds", static_cast<double>(self->worst_late_us) / kMicroseconds}};
}

Json host(const core::HostView& view) {
  return Json{{"host", view.host},
              {"service", view.service},
              {"version", word(view.version)},
              {"selected", word(view.selected)},
              {"generation", word(view.generation)},
              {"phase", name(view.phase)},
              {"last_heard", time(view.last_heard_us)},
              {"interval", view.interval_us / kMicroseconds},
              {"silent", view.silent},
              {"conflict", view.conflict},
              {"gone", view.gone},
              {"samples", view.samples},
              {"gaps", view.gaps},
              {"repeats", view.repeats},
              {"late", view.late},
              {"refused", view.refused},
              {"skewed", view.skewed},
              {"deploy", word(view.deploy)},
              {"drill", word(view.drill)},
              {"absent", list(view.absent, absent)},
              {"facts", facts(view.facts)},
              {"agent", agent(view.agent)}};
}

Json point(const core::EvidencePoint& entry) {
  return Json{{"at", time(entry.at_us)},
              {"log_evidence", number(entry.log_evidence)},
              {"threshold", number(entry.threshold)},
              {"canary", number(entry.canary)},
              {"baseline", number(entry.baseline)}};
}

Json metric(const core::MetricView& view) {
  return json_of(view);
}

Json metric_with_series(const core::MetricView& view) {
  Json result = json_of(view);
  result["series"] = list(view.series, point);
  return result;
}

Json entry(const core::TimelineEntry& view) {
  return Json{{"at", time(view.at_us)},
              {"kind", view.kind},
              {"host", word(view.host)},
              {"text", view.text}};
}

Json drift(const core::DriftView& view) {
  return Json{{"host", view.host},
              {"fact", view.fact},
              {"canary", view.canary},
              {"baseline", word(view.baseline)},
              {"before", word(view.before)},
              {"blocking", view.blocking},
              {"text", view.text}};
}

Json canary(const core::CanaryHostView& view) {
  return Json{{"host", view.host},
              {"from", word(view.from)},
              {"joined", time(view.joined_us)},
              {"target", word(view.target)},
              {"step", word(view.step)},
              {"reason", word(view.reason)},
              {"commanded", time(view.commanded_us)},
              {"restored", time(view.restored_us)},
              {"verified", time(view.verified_us)},
              {"left", view.left},
              {"drifted", view.drifted}};
}

Json drill_json(const core::DrillView& view) {
  return Json{{"id", view.id},
              {"service", view.service},
              {"host", view.host},
              {"version", word(view.version)},
              {"target", word(view.target)},
              {"actor", view.actor},
              {"reason", word(view.reason)},
              {"state", core::name(view.state)},
              {"step", word(view.step)},
              {"text", view.text},
              {"asked", time(view.asked_us)},
              {"started", time(view.started_us)},
              {"ended", time(view.ended_us)},
              {"there_seconds", number(view.there_seconds)},
              {"back_seconds", number(view.back_seconds)},
              {"timeline", list(view.timeline, entry)}};
}

Json deploy_json(const core::DeployView& view) {
  return Json{{"id", view.id},
              {"service", view.service},
              {"version", view.version},
              {"previous", word(view.previous)},
              {"attempt", view.attempt},
              {"state", core::name(view.state)},
              {"verdict", word(view.verdict)},
              {"opened", time(view.opened_us)},
              {"window_ends", time(view.window_ends_us)},
              {"decided", time(view.decided_us)},
              {"ended", time(view.ended_us)},
              {"first_bad", time(view.first_bad_us)},
              {"same_name", view.same_name},
              {"irreversible", view.irreversible},
              {"held", view.held},
              {"incomplete", view.incomplete},
              {"reason", json_of(view.reason)},
              {"hosts", list(view.hosts, canary)},
              {"baseline_hosts", view.baseline_hosts},
              {"metrics", list(view.metrics, metric)},
              {"absent", list(view.absent, absent)},
              {"drift", list(view.drift, drift)},
              {"timeline", list(view.timeline, entry)},
              {"canary_requests", view.canary_requests},
              {"canary_errors", view.canary_errors},
              {"requests_harmed", view.requests_harmed}};
}

}  // namespace

std::string drills(const std::vector<core::DrillView>& views) {
  return text_of(Json{{"drills", list(views, drill_json)}});
}

std::string drill(const core::DrillView& view) {
  return text_of(drill_json(view));
}

std::string services(const std::vector<core::ServiceView>& views) {
  return text_of(Json{{"services", list(views, service)}});
}

std::string hosts(const std::vector<core::HostView>& views) {
  return text_of(Json{{"hosts", list(views, host)}});
}

std::string deploys(const std::vector<core::DeployView>& views,
                    const std::optional<std::string>& next_cursor) {
  return text_of(Json{{"deploys", list(views, deploy_json)},
                      {"next_cursor", next_cursor ? Json(*next_cursor) : Json(nullptr)}});
}

std::string deploy(const core::DeployView& view) {
  return text_of(deploy_json(view));
}

std::string evidence(const core::DeployView& view) {
  return text_of(Json{{"metrics", list(view.metrics, metric_with_series)},
                      {"verdict", word(view.verdict)},
                      {"text", view.reason.text},
                      {"absent", list(view.absent, absent)},
                      {"drift", list(view.drift, drift)}});
}

std::string timeline(const core::DeployView& view) {
  return text_of(Json{{"timeline", list(view.timeline, entry)}});
}

}  // namespace serin::render
