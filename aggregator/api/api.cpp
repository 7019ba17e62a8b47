#include "aggregator/api/api.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "aggregator/api/metrics.h"
#include "aggregator/api/problem.h"
#include "aggregator/render/render.h"
#include "common/ids.h"

namespace serin::aggregator {

namespace {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::viewer:
      return "viewer";
    case Role::operator_:
      return "operator";
    case Role::admin:
      return "admin";
  }
  return "viewer";
}

std::optional<size_t> number_from(std::string_view text, size_t least, size_t most) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (value < least || value > most) return std::nullopt;
  return value;
}

/// A stage by its index, or as the policy writes it ("5%").
std::optional<size_t> stage_among(const std::vector<std::string>& stages, std::string_view text) {
  const auto named = std::ranges::find(stages, text);
  if (named != stages.end()) return static_cast<size_t>(named - stages.begin());
  return number_from(text, 0, stages.size() - 1);
}

bool is_state(std::string_view text) {
  using core::DeployState;
  for (int i = 0; i <= static_cast<int>(DeployState::rollback_failed); ++i) {
    if (core::name(static_cast<DeployState>(i)) == text) return true;
  }
  return false;
}

/// A browser that was lured to a name pointing at 127.0.0.1 sends that name.
bool is_loopback_host(std::string_view host) {
  if (host.empty()) return true;
  if (host.starts_with('[')) return host == "[::1]" || host.starts_with("[::1]:");
  const std::string name(host.substr(0, host.find(':')));
  if (name == "localhost") return true;
  constexpr uint32_t kLoopbackNet = 127;
  in_addr address{};  // a name such as 127.0.0.1.evil.example is none
  return inet_pton(AF_INET, name.c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == kLoopbackNet;
}

}  // namespace

struct Api::Call {
  const HttpRequest& request;
  Reply reply;
  Target target;
  Auth::Identity caller{};

  [[nodiscard]] std::string_view part(size_t i) const {
    return i < target.path.size() ? std::string_view(target.path[i]) : std::string_view();
  }
  [[nodiscard]] std::string_view parameter(std::string_view key) const {
    for (const auto& [name, value] : target.query) {
      if (name == key) return value;
    }
    return {};
  }
  void problem(std::string_view code, std::string detail, FieldErrors errors = {}) const {
    reply(problem_response(code, std::move(detail), request.target, std::move(errors)));
  }
  void not_found() const {
    problem("not_found", "see `serinctl --help`, or docs/ for the addresses of the API");
  }
  void json(std::string body) const { reply({.body = std::move(body), .headers = {}}); }

  /// False, and answered, when a parameter is not among those known or stands twice.
  [[nodiscard]] bool parameters_are(std::initializer_list<std::string_view> known) const {
    FieldErrors errors;
    for (const auto& [name, value] : target.query) {
      if (std::ranges::find(known, name) == known.end())
        errors.emplace_back(name, "is not known here");
      else if (std::ranges::count(target.query, name, &std::pair<std::string, std::string>::first) >
               1) {
        errors.emplace_back(name, "stands twice");
      }
    }
    if (errors.empty()) return true;
    problem("bad_request", "correct the parameters named in errors", std::move(errors));
    return false;
  }
  [[nodiscard]] bool is_get() const { return request.method == "GET" || request.method == "HEAD"; }
  /// False, and answered, for another method than this address has.
  [[nodiscard]] bool method_is(std::string_view allowed) const {
    if (allowed == "POST" ? request.method == "POST" : is_get()) return true;
    HttpResponse response = problem_response(
        "method_not_allowed", fmt::format("use {} here", allowed == "POST" ? "POST" : "GET"),
        request.target);
    response.headers.emplace_back("Allow", allowed == "POST" ? "POST" : "GET, HEAD");
    reply(std::move(response));
    return false;
  }
};

Api::Api(const LiveView& view, ActDesk& acts, Auth auth)
    : view_(view), acts_(acts), auth_(std::move(auth)) {}

void Api::handle(const HttpRequest& request, Reply reply) {
  auto target = parse_target(request.target);
  if (!target)
    return reply(problem_response("bad_request", target.error().message, request.target));
  Call call{request, std::move(reply), std::move(*target)};
  route(call);
}

bool Api::allowed(Call& call, Role least) const {
  if (!auth_.has_tokens()) {
    if (!is_loopback_host(call.request.host)) {
      call.problem("forbidden",
                   "without tokens only localhost is served: make one with `serinctl keys token`");
      return false;
    }
    if (least == Role::viewer) return true;
    call.problem("forbidden",
                 "acts need a token: make one with `serinctl keys token` and set [api] tokens");
    return false;
  }
  const auto identity = auth_.identify(call.request.authorization);
  if (!identity) {
    call.problem("unauthenticated", call.request.authorization.empty()
                                        ? "send Authorization: Bearer TOKEN"
                                        : "this token is not known here");
    return false;
  }
  if (identity->role < least) {
    call.problem("forbidden", fmt::format("{} is a {}; this needs the role {}", identity->name,
                                          name_of(identity->role), name_of(least)));
    return false;
  }
  call.caller = *identity;
  return true;
}

void Api::route(Call& call) {
  const size_t parts = call.target.path.size();
  if (parts == 1 && call.part(0) == "healthz") {
    if (call.method_is("GET")) call.json(R"({"status":"ok"})");
    return;
  }
  if (parts == 1 && call.part(0) == "readyz") return ready(call);
  if (parts == 1 && call.part(0) == "metrics") {
    if (!call.method_is("GET") || !allowed(call, Role::viewer)) return;
    return call.reply({.body = metrics_text(view_, answers_()),
                       .content_type = "text/plain; version=0.0.4; charset=utf-8",
                       .headers = {}});
  }
  if (parts >= 3 && call.part(0) == "api" && call.part(1) == "v1") return route_api(call);
  call.not_found();
}

void Api::route_api(Call& call) {
  const size_t parts = call.target.path.size();
  const std::string_view what = call.part(2);
  if (what == "deploys" && parts > 3) return route_deploy(call);
  if (what == "drills" && parts <= 4) return route_drills(call);
  if (what == "versions" && parts == 6) return route_version(call);
  const bool known = (parts == 3 && (what == "services" || what == "hosts" || what == "deploys" ||
                                     what == "status")) ||
                     (parts == 5 && what == "gates");
  if (!known) return call.not_found();
  if (!call.method_is("GET") || !allowed(call, Role::viewer)) return;
  if (what == "services") {
    if (call.parameters_are({})) call.json(render::services(view_.services()));
    return;
  }
  if (what == "hosts") return list_hosts(call);
  if (what == "deploys") return list_deploys(call);
  if (what == "gates") return gate(call);
  status(call);
}

void Api::route_deploy(Call& call) {
  const size_t parts = call.target.path.size();
  const std::string_view what = call.part(4);
  if (parts == 5) {
    for (const Act kind : {Act::rollback, Act::pass, Act::hold, Act::release}) {
      if (what != name(kind)) continue;
      return act(call, Role::operator_,
                 {.kind = ControlKind::act, .act = kind, .deploy = std::string(call.part(3))});
    }
  }
  const bool known = parts == 4 || (parts == 5 && (what == "evidence" || what == "timeline"));
  if (!known) return call.not_found();
  if (!call.method_is("GET") || !allowed(call, Role::viewer) || !call.parameters_are({})) return;
  const auto deploy = view_.deploy(call.part(3));
  if (!deploy) return call.problem("not_found", "there is no such deploy; see /api/v1/deploys");
  if (what == "evidence") return call.json(render::evidence(*deploy));
  if (what == "timeline") return call.json(render::timeline(*deploy));
  call.json(render::deploy(*deploy));
}

void Api::route_drills(Call& call) {
  if (call.request.method == "POST" && call.target.path.size() == 3)
    return act(call, Role::operator_, {.kind = ControlKind::act, .act = Act::drill});
  if (!call.method_is("GET") || !allowed(call, Role::viewer)) return;
  if (call.target.path.size() == 4) {
    const auto drill = view_.drill(call.part(3));
    if (!drill) return call.problem("not_found", "there is no such drill; see /api/v1/drills");
    if (call.parameters_are({})) call.json(render::drill(*drill));
    return;
  }
  if (!call.parameters_are({"service", "host"})) return;
  auto drills = view_.drills();
  const std::string_view service = call.parameter("service"), host = call.parameter("host");
  std::erase_if(drills, [&](const core::DrillView& drill) {
    return (!service.empty() && drill.service != service) || (!host.empty() && drill.host != host);
  });
  call.json(render::drills(drills));
}

/// What a person says about a version, whether or not a deploy of it is open.
void Api::route_version(Call& call) {
  const bool declares = call.part(5) == "declare";
  if (!declares && call.part(5) != "absolve") return call.not_found();
  FieldErrors errors;
  if (!is_service_name(call.part(3))) errors.emplace_back("service", "is no service name");
  if (!is_version(call.part(4))) errors.emplace_back("version", "is no version");
  if (!errors.empty())
    return call.problem("bad_request", "correct the fields named in errors", std::move(errors));
  Control address{.kind = declares ? ControlKind::declare : ControlKind::act,
                  .service = std::string(call.part(3)),
                  .act = declares ? Act::rollback : Act::absolve,
                  .version = std::string(call.part(4))};
  act(call, declares ? Role::operator_ : Role::admin, std::move(address));
}

void Api::act(Call& call, Role least, Control address) {
  if (!call.method_is("POST") || !allowed(call, least) || !call.parameters_are({})) return;
  acts_.take({.address = std::move(address),
              .actor = call.caller.name,
              .key = call.request.idempotency_key,
              .body = call.request.body,
              .target = call.request.target},
             std::move(call.reply));
}

void Api::list_hosts(Call& call) const {
  if (!call.parameters_are({"service", "host", "facts"})) return;
  const std::string_view service = call.parameter("service"), host = call.parameter("host");
  const std::string_view facts = call.parameter("facts");
  FieldErrors errors;
  if (!service.empty() && !is_service_name(service) && service != "_host")
    errors.emplace_back("service", "is no service name");
  if (!facts.empty() && facts != "all") errors.emplace_back("facts", "can only be all");
  if (!errors.empty())
    return call.problem("bad_request", "correct the parameters named in errors", std::move(errors));
  auto views =
      view_.hosts(service, facts == "all" ? core::FactScope::all : core::FactScope::few);
  if (!host.empty()) std::erase_if(views, [&](const auto& view) { return view.host != host; });
  call.json(render::hosts(views));
}

void Api::list_deploys(Call& call) const {
  if (!call.parameters_are({"service", "state", "limit", "cursor"})) return;
  const std::string_view service = call.parameter("service"), state = call.parameter("state");
  const std::string_view cursor = call.parameter("cursor"), limit_text = call.parameter("limit");
  const auto limit =
      limit_text.empty() ? kDeploysPerPage : number_from(limit_text, 1, kMostDeploysPerPage);
  FieldErrors errors;
  if (!service.empty() && !is_service_name(service))
    errors.emplace_back("service", "is no service name");
  if (!state.empty() && !is_state(state)) errors.emplace_back("state", "is no state of a deploy");
  if (!limit)
    errors.emplace_back("limit", fmt::format("must be a number from 1 to {}", kMostDeploysPerPage));
  auto deploys = view_.deploys();
  if (!cursor.empty()) {
    const auto last = std::ranges::find(deploys, cursor, &core::DeployView::id);
    if (last == deploys.end())
      errors.emplace_back("cursor", "is not known any more; begin anew without it");
    else
      deploys.erase(deploys.begin(), last + 1);
  }
  if (!errors.empty())
    return call.problem("bad_request", "correct the parameters named in errors", std::move(errors));
  std::erase_if(deploys, [&](const core::DeployView& deploy) {
    return (!service.empty() && deploy.service != service) ||
           (!state.empty() && core::name(deploy.state) != state);
  });
  std::optional<std::string> next;
  if (deploys.size() > *limit) {
    deploys.resize(*limit);
    next = deploys.back().id;
  }
  call.json(render::deploys(deploys, next));
}

/// A pipeline goes by this answer: without the whole stream, or with a stale one, there is none.
void Api::gate(Call& call) const {
  if (!call.parameters_are({"stage"})) return;
  FieldErrors errors;
  if (!is_service_name(call.part(3))) errors.emplace_back("service", "is no service name");
  if (!is_version(call.part(4))) errors.emplace_back("version", "is no version");
  std::optional<size_t> stage = 0;
  if (errors.empty()) {
    const auto stages = view_.stages(call.part(3));
    if (const auto text = call.parameter("stage"); !text.empty()) stage = stage_among(stages, text);
    if (!stage) {
      errors.emplace_back("stage",
                          fmt::format("must be a number from 0 to {}, or one of the policy's: {}",
                                      stages.size() - 1, fmt::join(stages, ", ")));
    }
  }
  if (!errors.empty())
    return call.problem("bad_request", "correct the fields named in errors", std::move(errors));
  if (!view_.caught_up())
    return call.problem("catching_up", "the stream is still being read; ask again in a moment");
  if (!view_.connected())
    return call.problem("bus_unavailable", "NATS is not connected: no answer can be trusted");
  call.json(render::gate(view_.gate(call.part(3), call.part(4), *stage)));
}

void Api::ready(Call& call) const {
  if (!call.method_is("GET")) return;
  if (!view_.caught_up()) return call.problem("catching_up", "the stream is still being read");
  if (!view_.connected())
    return call.problem("bus_unavailable", "NATS is not connected; see the log");
  call.json(R"({"status":"ready"})");
}

void Api::status(Call& call) const {
  if (!call.parameters_are({})) return;
  const auto fold = view_.counters();
  const ShellCounters shell = view_.shell();
  render::Status status{.connected = view_.connected(),
                        .caught_up = view_.caught_up(),
                        .now_us = view_.now_us(),
                        .counters = {{"samples", fold.samples},
                                     {"events", fold.events},
                                     {"controls", fold.controls},
                                     {"unreadable", shell.unreadable},
                                     {"gaps", fold.gaps},
                                     {"repeats", fold.repeats},
                                     {"late", fold.late},
                                     {"refused", fold.refused},
                                     {"skewed", fold.skewed},
                                     {"unknown_version", fold.unknown_version},
                                     {"effects_published", shell.effects_published},
                                     {"effect_failures", shell.effect_failures},
                                     {"effects_waiting", shell.effects_waiting},
                                     {"clock_failures", shell.clock_failures},
                                     {"store_failures", shell.store_failures},
                                     {"store_debts", shell.store_debts},
                                     {"acts_waiting", shell.acts_waiting}},
                        .version = SERIN_VERSION,
                        .warnings = view_.warnings()};
  uint64_t delivered = 0, failed = 0, given_up = 0, dropped = 0, waiting = 0;
  for (const auto& sink : shell.sinks) {
    delivered += sink.delivered;
    failed += sink.failed_attempts;
    given_up += sink.given_up;
    dropped += sink.dropped;
    waiting += sink.waiting;
  }
  status.counters.insert(status.counters.end(), {{"notifications_delivered", delivered},
                                                 {"notification_failures", failed},
                                                 {"notifications_given_up", given_up},
                                                 {"notifications_dropped", dropped},
                                                 {"notifications_waiting", waiting}});
  call.json(render::status(status));
}

}  // namespace serin::aggregator
