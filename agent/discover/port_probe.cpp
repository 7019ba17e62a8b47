#include "agent/discover/port_probe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "agent/request/http_get.h"

namespace serin::agent {
namespace {

constexpr size_t kMostPorts = 8;
constexpr uint64_t kTimeoutMs = 500;
constexpr size_t kMostPageBytes = size_t{4} << 20;
constexpr size_t kMostNames = 4096;

bool speaks_something_else(const FoundUnit& unit) {
  constexpr std::array<std::string_view, 14> kPrograms = {
      "redis", "valkey", "postgres", "mysqld", "mariadbd", "memcached", "mongod",
      "named", "master", "dnsmasq",  "slapd",  "epmd",     "sshd",      "vsftpd"};
  return std::ranges::any_of(
      kPrograms, [&](std::string_view known) { return unit.program().starts_with(known); });
}

/// The page, or nullopt: nobody answered 200 in time.
std::optional<std::string> get(const std::string& url) {
  auto place = parse_scrape_url(url);
  if (!place) return std::nullopt;
  UvLoop loop;
  std::string page;
  bool done = false, good = false;
  HttpGet request(loop.get(), *place, "text/plain;version=0.0.4,*/*;q=0.1",
                  {.on_body =
                       [&](std::string_view part) {
                         if (page.size() + part.size() <= kMostPageBytes) page += part;
                       },
                   .on_done =
                       [&](const Result<std::string>& type) {
                         done = true;
                         good = type.has_value();
                       }});
  request.start(kTimeoutMs);
  while (!done) loop.run_once();
  return good ? std::optional(std::move(page)) : std::nullopt;
}

/// How likely a counter is the one of all requests; 0: not at all.
int likeness(std::string_view name) {
  if (name == "http_requests_total") return 5;
  if (name == "http_server_requests_total") return 4;
  if (name.ends_with("http_requests_total")) return 3;
  if (name.ends_with("requests_total") && name.find("request") != std::string_view::npos)
    return name.starts_with("promhttp") || name.starts_with("prometheus") ? 1 : 2;
  return 0;
}

int likeness_of_latency(std::string_view name) {
  if (!name.ends_with("_seconds") || name.find("duration") == std::string_view::npos) return 0;
  if (name == "http_request_duration_seconds") return 3;
  if (name.find("request") == std::string_view::npos) return 0;
  return name.find("http") != std::string_view::npos ? 2 : 1;
}

/// The label of a series that bears the HTTP status.
std::string status_label(std::string_view page, const std::string& name) {
  constexpr std::array<std::string_view, 4> kLabels = {"code", "status", "status_code",
                                                       "http_status"};
  const size_t at = page.find("\n" + name + "{");
  if (at == std::string_view::npos) return {};
  const auto series = page.substr(at + 1, page.find('\n', at + 1) - at - 1);
  for (auto label : kLabels)
    for (const char* before : {"{", ","})
      if (series.find(fmt::format("{}{}=\"", before, label)) != std::string_view::npos)
        return std::string(label);
  return {};
}

}  // namespace

MetricsPage read_metrics_page(std::string_view page) {
  MetricsPage found;
  constexpr std::string_view kType = "# TYPE ";
  int best = 0, best_latency = 0;
  size_t names = 0;
  for (size_t at = 0; at < page.size() && names < kMostNames;) {
    const size_t end = std::min(page.find('\n', at), page.size());
    auto line = page.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(kType)) continue;
    ++names;
    line.remove_prefix(kType.size());
    const size_t blank = std::min(line.find(' '), line.size());
    std::string name(line.substr(0, blank));
    const auto type = line.substr(std::min(blank + 1, line.size()));
    if (type == "counter" && likeness(name) > best) {
      best = likeness(name);
      found.requests = name;
    }
    if (type == "histogram" && likeness_of_latency(name) > best_latency) {
      best_latency = likeness_of_latency(name);
      found.latency = name;
    }
  }
  if (!found.requests.empty()) found.status_label = status_label(page, found.requests);
  return found;
}

PortAnswers probe_ports(const FoundUnit& unit) {
  PortAnswers answers;
  if (speaks_something_else(unit)) return answers;
  size_t asked = 0;
  for (const auto& port : unit.ports) {
    if (++asked > kMostPorts) break;
    const std::string base = "http://" + port.url_host();
    if (!answers.metrics) {
      auto page = get(base + "/metrics");
      if (page && page->find("# TYPE ") != std::string::npos) {
        answers.metrics = read_metrics_page(*page);
        answers.metrics->url = base + "/metrics";
      }
    }
    for (const char* path : {"/healthz", "/health", "/"})
      if (answers.healthy.empty() && get(base + path)) answers.healthy = base + path;
  }
  return answers;
}

}  // namespace serin::agent
