#include <fmt/core.h>
#include <uv.h>

#include <algorithm>
#include <map>
#include <optional>

#include "agent/program.h"
#include "agent/rollback/client.h"
#include "agent/sampler/check_report.h"
#include "agent/sampler/helper_files.h"
#include "agent/sampler/host_check.h"
#include "agent/sampler/service_check.h"
#include "agent/service/systemd_units.h"
#include "agent/uplink/preflight.h"
#include "common/loop.h"

namespace serin::agent {
namespace {

using Line = ServiceCheck::Line;
constexpr const char* kHelperFolder = "/etc/serin";  // the helper's own default
constexpr uint64_t kBetweenLooksMs = 1000;
constexpr uint64_t kMostMs = 3000;  // the helper has 2 s

/// Without the user and the password that may stand in it.
std::string shown(const std::string& url) {
  const size_t scheme = url.find("://"), at = url.rfind('@');
  if (scheme == std::string::npos || at == std::string::npos || at < scheme) return url;
  return url.substr(0, scheme + 3) + url.substr(at + 1);
}

/// What NATS lets the agent do.
std::vector<Line> check_bus(const AgentConfig& config, const std::string& boot_id,
                            std::vector<std::string> services) {
  const std::string urls =
      fmt::format("{}{}", shown(config.nats_urls.front()), config.nats_urls.size() > 1 ? " …" : "");
  std::vector<Line> lines;
  for (auto& finding : look_at_bus({.urls = config.nats_urls,
                       .credentials = config.credentials,
                       .host = config.host,
                       .boot_id = boot_id,
                       .services = std::move(services)})) {
    const bool connects = finding.what == "connection";
    if (!finding.problem.empty())
      lines.push_back({Line::Mark::bad, "nats",
                       fmt::format("{}: {}", connects ? urls : finding.what, finding.problem),
                       std::move(finding.fix)});
    else
      lines.push_back({Line::Mark::good,
                       "nats",
                       connects ? urls + " answers" : finding.what + " may pass",
                       {}});
  }
  return lines;
}

/// Everything that needs the loop: asking the helper and systemd, waiting a second between the
/// looks.
class Inquiry {
 public:
  Inquiry(const AgentConfig& config, std::vector<ServiceFile> services, const std::string& boot_id)
      : config_(config) {
    for (auto& service : services) checks_.emplace_back(std::move(service), boot_id);
  }

  void run() {
    for (auto& check : checks_) {
      check.first(clock_.now());
      ask(check.name());
      ask_units(check);
    }
    second_.start(kBetweenLooksMs, 50);
    limit_.start(kMostMs);
    loop_.run();
  }

  std::vector<Line> helper_lines() {
    std::vector<Line> lines;
    if (helper_answers_)
      lines.push_back(
          {Line::Mark::good, "helper", config_.helper_socket.string() + " answers", {}});
    else if (!helper_problem_.empty())
      lines.push_back({Line::Mark::bad, "helper", helper_problem_,
                       "systemctl enable --now serin-rollback.socket; it answers root and the "
                       "group serin alone"});
    std::vector<std::string> names;
    for (const auto& check : checks_) names.push_back(check.name());
    for (auto& line : check_helper_files(kHelperFolder, config_.host, default_host_id(), names))
      lines.push_back(std::move(line));
    return lines;
  }

  std::vector<CheckReport::Part> service_parts() {
    std::vector<CheckReport::Part> parts;
    for (auto& check : checks_) {
      if (units_) check.no_units(units_->problem());
      parts.push_back({check.name(), check.second(clock_.now(), journal_, words_[check.name()])});
    }
    return parts;
  }

 private:
  void ask_units(ServiceCheck& check) {
    for (const auto& unit : check.units()) {
      if (!units_) units_.emplace(loop_.get());
      if (const auto property = check.wanted_property(); !property.empty())
        units_->want(unit, property);
      units_->follow(unit, [&check](const UnitWord& word) { check.take(word); });
    }
  }

  void ask(const std::string& service) {
    ++open_;
    helper_.call({.verb = HelperVerb::inspect, .service = service, .command = {}},
                 [this, service](Result<HelperReply> reply) {
                   --open_;
                   if (reply) helper_answers_ = true;
                   if (!reply) helper_problem_ = reply.error().message;
                   words_[service].inspect = std::move(reply);
                 });
    ++open_;
    helper_.call({.verb = HelperVerb::status, .service = service, .command = {}},
                 [this, service](Result<HelperReply> reply) {
                   --open_;
                   words_[service].status = std::move(reply);
                 });
  }

  void stop_when_done() {
    if (open_ == 0 && std::ranges::all_of(checks_, &ServiceCheck::has_heard_all)) loop_.stop();
  }

  const AgentConfig& config_;
  HostClock clock_;
  VersionJournal journal_ = VersionJournal::load(config_.state_dir / "versions.journal");
  UvLoop loop_;
  HelperClient helper_{loop_.get(), config_.helper_socket};
  std::vector<ServiceCheck> checks_;
  std::optional<SystemdUnits> units_;  // after the checks that it tells
  std::map<std::string, HelperWord> words_;
  std::string helper_problem_;
  bool helper_answers_ = false;
  int open_ = 0;
  UvTimer second_{loop_.get(), [this] { stop_when_done(); }};
  UvTimer limit_{loop_.get(), [this] { loop_.stop(); }};
};

}  // namespace

Result<bool> run_check(const Places& places, Output output) {
  auto config = load_agent_config(places.config);
  if (!config) return std::unexpected(config.error());
  auto boot_id = read_boot_id();
  if (!boot_id) return std::unexpected(boot_id.error());
  CheckReport report{.version = SERIN_VERSION,
                     .host = config->host,
                     .config = places.config.string(),
                     .parts = {{}}};
  std::vector<Line> host;
  std::vector<ServiceFile> services;
  std::vector<std::string> names;
  for (auto& [file, service] : load_service_folder(places.services)) {
    if (service) {
      names.push_back(service->name);
      services.push_back(std::move(*service));
    } else {
      host.push_back({Line::Mark::bad, "config", service.error().message,
                      "correct it: serin-service(5) has every key"});
    }
  }
  if (services.empty())
    host.push_back({Line::Mark::bad, "config", places.services.string() + ": no service to watch",
                    "serin-agent discover proposes a file for each unit that listens"});
  auto take = [&host](std::vector<Line> lines) {
    for (auto& line : lines) host.push_back(std::move(line));
  };
  take(check_bus(*config, *boot_id, std::move(names)));
  Inquiry inquiry(*config, std::move(services), *boot_id);
  inquiry.run();
  take(inquiry.helper_lines());
  take(check_host(*config));
  report.parts.front().lines = std::move(host);
  for (auto& part : inquiry.service_parts()) report.parts.push_back(std::move(part));
  fmt::print("{}", output == Output::json ? report.json() + "\n" : report.text());
  return report.is_good();
}

}  // namespace serin::agent
