#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/service_fields.h"

// [[requests]] that the agent makes itself.

namespace serin::service_fields {
namespace {

constexpr double kLeastInterval = 1, kMostInterval = 60;
constexpr double kLeastTimeout = 0.05;  // less is what a busy host needs to get round to it
constexpr double kUsualTimeout = 2;

/// `tcp://ADDRESS:PORT`: nothing is asked there, it only has to accept.
Result<ScrapeUrl> parse_probe_url(std::string_view text) {
  constexpr std::string_view kTcp = "tcp://";
  if (!text.starts_with(kTcp)) {
    auto url = parse_scrape_url(text);
    if (!url && !text.starts_with("http://"))
      return fail("must begin with http:// or tcp://, as only what runs on this host is probed");
    return url;
  }
  const std::string_view rest = text.substr(kTcp.size());
  if (rest.find('/') != std::string_view::npos || rest.rfind(':') == std::string_view::npos ||
      rest.ends_with(']'))
    return fail("must be tcp://ADDRESS:PORT");
  auto url = parse_scrape_url(fmt::format("http://{}", rest));
  if (url) url->target.clear();
  return url;
}

}  // namespace

void read_probe(ConfigTable& table, ServiceFile::Requests& requests) {
  if (!table.has("url"))
    table.missing("url",
                  "what is asked, such as http://127.0.0.1:8080/healthz or tcp://127.0.0.1:5432");
  if (const auto text = table.string("url")) {
    auto url = parse_probe_url(*text);
    if (url) {
      requests.url = std::move(*url);
    } else {
      table.problem("url", url.error().message);
    }
  }
  requests.interval_seconds = table.duration_seconds("interval").value_or(kLeastInterval);
  if (requests.interval_seconds < kLeastInterval || requests.interval_seconds > kMostInterval ||
      requests.interval_seconds != std::floor(requests.interval_seconds))
    table.problem("interval", "must be 1s to 60s, in whole seconds");
  const double usual = std::min(kUsualTimeout, requests.interval_seconds);
  requests.timeout_seconds = table.duration_seconds("timeout").value_or(usual);
  if (requests.timeout_seconds < kLeastTimeout ||
      requests.timeout_seconds > requests.interval_seconds)
    table.problem("timeout",
                  "must be 50ms to the interval, as there is one probe at a time; or give a longer "
                  "interval");
}

/// Probes are requests of their own making: counted together with those of people they would thin
/// out, or make up, the people's errors.
void check_probes(ConfigTable& root, const ServiceFile& service) {
  const auto is_probe = [](const auto& requests) { return requests.source == "probe"; };
  const auto& all = service.requests;
  if (std::none_of(all.begin(), all.end(), is_probe)) return;
  if (!std::all_of(all.begin(), all.end(), is_probe))
    root.problem(
        "requests",
        "must not be both probes and a source of real requests, as they would be one count; "
        "leave the probes out: real requests tell more");
  else if (!service.business.empty())
    root.problem("business",
                 "is counted by a log, statsd, Prometheus or the recorder; a probe knows none");
}

}  // namespace serin::service_fields
