#include "aggregator/render/json.h"
#include "aggregator/render/render.h"

namespace serin::render {

namespace {

std::string_view gate_name(core::Fold::Gate gate) {
  switch (gate) {
    case core::Fold::Gate::go:
      return "go";
    case core::Fold::Gate::stop:
      return "stop";
    case core::Fold::Gate::not_yet:
      return "not_yet";
  }
  return "not_yet";
}

}  // namespace

std::string gate(const core::Fold::GateAnswer& answer) {
  return text_of(Json{{"gate", gate_name(answer.gate)}, {"text", answer.text}});
}

std::string status(const Status& status) {
  Json counters = Json::object();
  for (const auto& [key, value] : status.counters) counters[key] = value;
  return text_of(Json{{"connected", status.connected},
                      {"caught_up", status.caught_up},
                      {"now", time(status.now_us)},
                      {"version", status.version},
                      {"counters", counters},
                      {"warnings", status.warnings}});
}

std::string act(const ActAnswer& answer) {
  return text_of(Json{{"act",
                       {{"id", answer.id},
                        {"deploy", word(answer.deploy)},
                        {"kind", answer.kind},
                        {"accepted_at", time(answer.accepted_us)}}}});
}

std::string problem(const Problem& problem) {
  Json json{{"type", "urn:serin:problem:" + problem.code},
            {"title", problem.title},
            {"status", problem.status},
            {"detail", problem.detail},
            {"instance", problem.instance},
            {"code", problem.code}};
  if (!problem.errors.empty()) {
    Json errors = Json::array();
    for (const auto& [field, message] : problem.errors) {
      errors.push_back(Json{{"field", field}, {"message", message}});
    }
    json["errors"] = errors;
  }
  return text_of(json);
}

}  // namespace serin::render
