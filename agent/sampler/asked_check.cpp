#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/request/probe_once.h"
#include "agent/sampler/service_check.h"
#include "agent/version/ask_once.h"
#include "agent/version/unit_question.h"

// What ServiceCheck says of what has to be asked: versions and probes.

namespace serin::agent {
namespace {

std::string place(const ScrapeUrl& url) {
  const bool six = url.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}{}", url.target.empty() ? "tcp" : "http", six ? "[" : "",
                     url.host, six ? "]" : "", url.port, url.target);
}

/// How it is asked, and what a person can try.
std::pair<std::string, std::string> how_to_try(const ServiceFile& service) {
  if (const auto* command = std::get_if<ServiceFile::VersionCommand>(&service.version))
    return {"by its command",
            fmt::format(
                "try it as the agent's user: runuser -u serin -g serin -- {}; within the agent's "
                "unit it has no more rights, and no memory that is both written and run",
                fmt::join(command->argv, " "))};
  if (const auto* http = std::get_if<ServiceFile::VersionHttp>(&service.version))
    return {"over HTTP", fmt::format("try it: curl -i '{}'", place(http->url))};
  const auto& unit = std::get<ServiceFile::VersionUnitProperty>(service.version);
  return {fmt::format("as {} of its unit", unit.property),
          fmt::format("see systemctl show --property={}", unit.property)};
}

}  // namespace

std::string ServiceCheck::wanted_property() const {
  const auto* unit = std::get_if<ServiceFile::VersionUnitProperty>(&service_.version);
  return unit == nullptr ? std::string{} : unit->property;
}

Result<std::string> ServiceCheck::asked_version() const {
  const auto* property = std::get_if<ServiceFile::VersionUnitProperty>(&service_.version);
  if (property == nullptr) return ask_version_once(service_);
  auto active =
      std::ranges::find_if(words_, [](const auto& word) { return word.second.is_active(); });
  if (active == words_.end()) return fail("none of its units runs");
  return version_of(active->second, *property);
}

void ServiceCheck::say_asked_version(const HelperWord& helper) {
  auto version = asked_version();
  const auto [how, attempt] = how_to_try(service_);
  if (!version)
    return say(Mark::bad, "version", "cannot be told: " + version.error().message, attempt);
  running_version_ = *version;
  say(Mark::good, "version", fmt::format("{} runs (told {})", *version, how));
  const bool otherwise =
      helper.inspect && !helper.inspect->version.empty() && helper.inspect->version != *version;
  if (!service_.rollback.empty() && otherwise)
    say(Mark::bad, "version",
        fmt::format("the helper sees release {}: it can only go back where the folders of releases "
                    "are called like the versions",
                    helper.inspect->version),
        "call the folders of releases like the versions, or take the version from the link: "
        "version = { symlink = \"…/current\" }");
}

void ServiceCheck::say_probe(size_t index) {
  const auto& requests = service_.requests[index];
  const auto report = probe_once(requests);
  const std::string url = place(requests.url);
  if (report.probed.status == 0)
    return say(Mark::bad, "requests", fmt::format("probe of {}: {}", url, report.probed.why),
               fmt::format("does the service listen there, as the agent reaches it? ss -ltnp | "
                           "grep {}",
                           requests.url.port));
  const std::string answer =
      requests.url.target.empty() ? "it accepts" : fmt::format("status {}", report.probed.status);
  say(report.probed.status < 400 ? Mark::good : Mark::bad, "requests",
      fmt::format("probe of {} each {} s: {} after {:.1f} ms", url, requests.interval_seconds,
                  answer, report.seconds * 1000),
      report.probed.status < 400 ? std::string{}
                                 : fmt::format("look what it says: curl -i '{}'", url));
}

}  // namespace serin::agent
