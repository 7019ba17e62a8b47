#include "aggregator/render/json.h"
#include "aggregator/render/render.h"

namespace serin::render {

namespace {

/// Seconds of the capture; 0 means never.
Json seconds(int64_t time_us) {
  return time_us == 0 ? Json(nullptr) : Json(static_cast<double>(time_us) / 1e6);
}

/// A guardrail needs no statistics: its evidence and effect are null.
Json replay_reason(const Reason& reason) {
  if (reason.kind == ReasonKind::none && reason.metric.empty() && reason.text.empty())
    return nullptr;
  const bool statistical = reason.kind != ReasonKind::guardrail;
  return Json{{"kind", name(reason.kind)},
              {"metric", word(reason.metric)},
              {"canary", number(reason.canary)},
              {"baseline", number(reason.baseline)},
              {"effect", statistical ? number(reason.effect) : Json(nullptr)},
              {"evidence", statistical ? evidence_of(reason.log_evidence) : Json(nullptr)},
              {"log_evidence", statistical ? number(reason.log_evidence) : Json(nullptr)},
              {"threshold", statistical ? number(reason.threshold) : Json(nullptr)},
              {"text", reason.text}};
}

Json replay_deploy(const Replay::Deploy& deploy) {
  const core::DeployView& view = deploy.view;
  Json hosts = Json::array();
  for (const auto& host : view.hosts) hosts.push_back(host.host);
  Json metrics = Json::array();
  for (const auto& metric : view.metrics) metrics.push_back(json_of(metric));
  return Json{{"id", view.id},
              {"service", view.service},
              {"version", view.version},
              {"previous", word(view.previous)},
              {"attempt", view.attempt},
              {"hosts", hosts},
              {"started_at", seconds(view.opened_us)},
              {"verdict", word(view.verdict)},
              {"state", core::name(view.state)},
              {"decided_at", seconds(view.decided_us)},
              {"file", deploy.file},
              {"reason", replay_reason(view.reason)},
              {"metrics", metrics}};
}

}  // namespace

std::string replay(const Replay& replay) {
  Json deploys = Json::array();
  for (const auto& deploy : replay.deploys) deploys.push_back(replay_deploy(deploy));
  Json skipped = Json::array();
  for (const auto& entry : replay.skipped) {
    skipped.push_back(Json{{"file", entry.file}, {"line", entry.line}, {"error", entry.error}});
  }
  return text_of(Json{{"deploys", deploys}, {"lines", replay.lines}, {"skipped", skipped}});
}

}  // namespace serin::render
