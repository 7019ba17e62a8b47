#include "aggregator/api/act_control.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "aggregator/api/acts.h"

namespace serin::aggregator {
namespace {

using Made = std::expected<Control, ActBodyError>;

std::unexpected<ActBodyError> refuse(std::string_view code, std::string detail,
                                     FieldErrors errors = {}) {
  return std::unexpected(ActBodyError{code, std::move(detail), std::move(errors)});
}

Made of_drill(const LiveView& view, Control control, const ActBody& body) {
  FieldErrors missing;
  if (body.host.empty()) missing.emplace_back("host", "is missing");
  if (body.service.empty()) missing.emplace_back("service", "is missing");
  if (!missing.empty()) return refuse("unprocessable", "say where to drill", std::move(missing));
  const auto hosts = view.hosts(body.service, core::FactScope::few);
  if (std::ranges::find(hosts, body.host, &core::HostView::host) == hosts.end()) {
    return refuse("unprocessable", "see `serinctl hosts`",
                  {{"host", fmt::format("is not known to run {}", body.service)}});
  }
  control.host = body.host;
  control.service = body.service;
  return control;
}

Made of_declaration(Control control, const ActBody& body) {
  if (!body.irreversible) {
    return refuse("unprocessable", R"(send {"irreversible":true} or false)",
                  {{"irreversible", "is missing"}});
  }
  control.irreversible = *body.irreversible;
  return control;
}

Made of_deploy(const LiveView& view, Control control, const ActBody& body) {
  const auto deploy = view.deploy(control.deploy);
  if (!deploy) {
    return refuse("not_found",
                  fmt::format("there is no deploy {}; see `serinctl deploys`", control.deploy));
  }
  if (!body.host.empty() && control.act != Act::rollback)
    return refuse("unprocessable", "leave it out", {{"host", "is for rollback only"}});
  const bool takes_part =
      body.host.empty() || std::ranges::find(deploy->hosts, body.host,
                                             &core::CanaryHostView::host) != deploy->hosts.end();
  if (!takes_part) {
    return refuse("unprocessable", "name a host of this deploy",
                  {{"host", "takes no part in this deploy"}});
  }
  if (const auto refusal = refusal_of(control.act, *deploy))
    return refuse(refusal->code, refusal->detail);
  control.host = body.host;
  control.service = deploy->service;
  return control;
}

}  // namespace

Made control_of(const LiveView& view, const Control& address, const std::string& text) {
  const bool declares = address.kind == ControlKind::declare;
  const bool drills = !declares && address.act == Act::drill;
  const bool absolves = !declares && address.act == Act::absolve;
  constexpr std::array<std::string_view, 4> kKnown = {"reason", "host", "service", "irreversible"};
  constexpr std::array<std::string_view, 2> kOfDeclaration = {"reason", "irreversible"};
  const std::span<const std::string_view> known(kKnown);
  auto body = parse_act_body(text, declares   ? std::span<const std::string_view>(kOfDeclaration)
                                   : drills   ? known.first(3)
                                   : absolves ? known.first(1)
                                              : known.first(2));
  if (!body) return std::unexpected(body.error());
  if (!view.caught_up())
    return refuse("catching_up", "the aggregator has just started; ask again in a moment");
  Control control = address;
  control.reason = body->reason;
  if (declares) return of_declaration(std::move(control), *body);
  if (drills) return of_drill(view, std::move(control), *body);
  if (absolves) return control;
  return of_deploy(view, std::move(control), *body);
}

}  // namespace serin::aggregator
