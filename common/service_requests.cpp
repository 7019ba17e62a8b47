#include <fmt/core.h>

#include <array>
#include <charconv>

#include "common/ids.h"
#include "common/service_fields.h"

// [[requests]] and [[business]] of a service's file.

namespace serin::service_fields {
namespace {

constexpr size_t kMostSelectors = 16;
constexpr size_t kMostSocketPathBytes = 107;  // of a sockaddr_un
constexpr size_t kMostTagBytes = 48;          // of a syslog message
constexpr size_t kMostClassNameBytes = 64;    // sent with each sample
constexpr double kLeastInterval = 1, kMostInterval = 60;

bool is_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

/// ADDRESS:PORT or [ADDRESS]:PORT; both parts, without brackets.
std::optional<std::pair<std::string, std::string>> host_and_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1))) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) return std::nullopt;
  return std::pair{std::string(host), std::string(text.substr(colon + 1))};
}

std::string read_listen(ConfigTable& table, std::string_view usual) {
  const auto text = table.string("listen");
  if (!text) return std::string(usual);
  if (text->starts_with('/')) {
    const auto socket = path(table, "listen");
    if (socket && text->size() > kMostSocketPathBytes)
      table.problem("listen", "is longer than the 107 bytes that a socket's path may have");
  } else if (!host_and_port(*text)) {
    table.problem("listen",
                  "must be the path of a socket, or a UDP address such as \"127.0.0.1:8125\"");
  }
  return *text;
}

std::vector<MetricSelector> read_selectors(ConfigTable& table, std::string_view key) {
  std::vector<MetricSelector> selectors;
  const auto texts = table.strings(key);
  if (!texts) return selectors;
  if (texts->empty() || texts->size() > kMostSelectors)
    table.problem(key, fmt::format("must name 1 to {} metrics", kMostSelectors));
  for (const auto& text : *texts) {
    auto selector = MetricSelector::parse(text);
    if (selector) {
      selectors.push_back(std::move(*selector));
    } else {
      table.problem(key, selector.error().message);
    }
  }
  return selectors;
}

void read_format(ConfigTable& table, ServiceFile::Requests& requests) {
  if (!table.has("format")) {
    table.missing("format",
                  "how a line is written: nginx log_format text, or a preset such as \"combined\"");
  }
  requests.format = table.string("format").value_or("");
  if (table.has("format") && (requests.format.empty() || requests.format.size() > kMostTextBytes)) {
    table.problem(
        "format",
        "must be nginx log_format text of at most 4095 bytes, or a preset such as \"combined\"");
  }
  requests.version_field = table.string("version_field");
  if (requests.version_field && !requests.version_field->starts_with('$')) {
    table.problem("version_field",
                  "must be a field of the format, such as \"$upstream_http_x_version\"");
  }
}

void read_access_log(ConfigTable& table, ServiceFile::Requests& requests) {
  if (!table.has("path")) table.missing("path", "the log to follow");
  requests.path = path(table, "path").value_or("");
  read_format(table, requests);
}

void read_syslog(ConfigTable& table, ServiceFile::Requests& requests,
                 const std::string& service_name) {
  requests.listen = read_listen(table, "/run/serin/agent/syslog.sock");
  requests.tag = table.string("tag").value_or(service_name);
  if (requests.tag.empty() || requests.tag.size() > kMostTagBytes)
    table.problem("tag", "must be the 1 to 48 bytes that the program calls itself in syslog");
  read_format(table, requests);
}

/// What statsd and Prometheus have in common: which metrics say what.
void read_metrics(ConfigTable& table, ServiceFile::Requests& requests) {
  requests.requests = read_selectors(table, "requests");
  requests.errors = read_selectors(table, "errors");
  requests.latency = read_selectors(table, "latency");
  requests.status_label = table.string("status_label");
  if (requests.status_label && table.has("errors"))
    table.problem("status_label", "and errors are one too many: both say which requests failed");
  if (requests.status_label && !table.has("requests"))
    table.problem("status_label", "needs requests, the metric that bears this label");
  if (table.has("errors") && !table.has("requests") && !table.has("latency"))
    table.problem("errors", "needs requests or latency: failures are a part of requests");
}

void read_statsd(ConfigTable& table, ServiceFile::Requests& requests) {
  constexpr std::array<std::string_view, 3> kUnits = {"s", "ms", "us"};
  requests.listen = read_listen(table, "/run/serin/agent/statsd.sock");
  read_metrics(table, requests);
  const auto unit = word(table, "latency_unit", kUnits, {}).value_or("ms");
  requests.latency_unit_seconds = unit == "s" ? 1 : unit == "ms" ? 1e-3 : 1e-6;
  requests.version_field = table.string("version_field");
}

void read_prometheus(ConfigTable& table, ServiceFile::Requests& requests) {
  if (!table.has("url"))
    table.missing("url", "the page to scrape, such as http://127.0.0.1:9100/metrics");
  const auto url = table.string("url");
  if (url) {
    auto place = parse_scrape_url(*url);
    if (place) {
      requests.url = std::move(*place);
    } else {
      table.problem("url", place.error().message);
    }
  }
  read_metrics(table, requests);
  requests.interval_seconds = table.duration_seconds("interval").value_or(kLeastInterval);
  if (requests.interval_seconds < kLeastInterval || requests.interval_seconds > kMostInterval)
    table.problem("interval", "must be 1s to 60s");
}

ServiceFile::Business::Worse read_worse(ConfigTable& table) {
  using Worse = ServiceFile::Business::Worse;
  constexpr std::array<std::string_view, 3> kWays = {"lower", "higher", "both"};
  const auto text = word(table, "worse", kWays, {});
  if (text == "higher") return Worse::higher;
  return text == "both" ? Worse::both : Worse::lower;
}

/// The metrics that every service has (CONTRACTS: names of metrics and guardrails); a business
/// metric by one of these names would be mixed up with it.
bool is_taken(std::string_view name) {
  constexpr std::array<std::string_view, 24> kTaken = {
      "errors",   "latency_p50",     "latency_p90", "latency_p99",  "latency_p999", "latency_shape",
      "latency",  "cpu_per_request", "rss_bytes",   "memory",       "fds",          "threads",
      "restarts", "crash_loop",      "unit_failed", "process_gone", "not_serving",  "silent",
      "slo",      "full_answers",    "answer_bytes", "connections", "failed_connects",
      "accept_overflows"};
  return std::find(kTaken.begin(), kTaken.end(), name) != kTaken.end();
}

}  // namespace

ServiceFile::Requests read_requests(ConfigTable& table, const std::string& service_name) {
  constexpr std::array<std::string_view, 6> kSources = {"access_log", "syslog",   "statsd",
                                                        "prometheus", "recorder", "probe"};
  ServiceFile::Requests requests;
  if (!table.has("source")) table.missing("source", "where requests are counted: \"access_log\"");
  requests.source = word(table, "source", kSources, {}).value_or("");
  if (requests.source == "syslog") {
    read_syslog(table, requests, service_name);
  } else if (requests.source == "statsd") {
    read_statsd(table, requests);
  } else if (requests.source == "prometheus") {
    read_prometheus(table, requests);
  } else if (requests.source == "probe") {
    read_probe(table, requests);
  } else if (requests.source == "recorder") {
    requests.path = path(table, "path").value_or("/run/serin/agent/recorder");
  } else {
    read_access_log(table, requests);
  }
  requests.slo_seconds = table.duration_seconds("slo");
  if (requests.slo_seconds && *requests.slo_seconds <= 0)
    table.problem("slo", "must be more than nothing");
  return requests;
}

ServiceFile::Business read_business(ConfigTable& table) {
  ServiceFile::Business business;
  if (!table.has("name")) table.missing("name", "what is counted, such as \"orders\"");
  business.name = table.string("name").value_or("");
  if (table.has("name") && !is_service_name(business.name)) {
    table.problem("name", "must be 1 to 63 of a-z 0-9 _ -, beginning with a letter or digit");
  } else if (is_taken(business.name)) {
    table.problem("name",
                  fmt::format("\"{}\" is a metric that every service has; choose another name",
                              business.name));
  }
  business.worse = read_worse(table);
  business.metric = read_selectors(table, "metric");
  business.field = table.string("field");
  business.equals = table.string("equals");
  if (business.field && !business.equals)
    table.missing("equals", "the value of the field that counts");
  if (business.equals && !business.field)
    table.missing("field", "the field of the log to look at, such as \"$uri\"");
  if (business.field && !business.field->starts_with('$')) {
    table.problem("field", "must be a field of the format, such as \"$uri\"");
  }
  if (business.field && table.has("metric"))
    table.problem("metric", "and field are one too many: a log counts it, or statsd, Prometheus or the recorder");
  return business;
}

void check_counts(ConfigTable& table, const ServiceFile::Requests& requests,
                  const ServiceFile& service) {
  if (requests.source != "statsd" && requests.source != "prometheus") return;
  for (const auto* key : {"requests", "latency", "errors", "status_label"})
    if (table.has(key)) return;
  const bool for_business =
      std::any_of(service.business.begin(), service.business.end(),
                  [](const ServiceFile::Business& one) { return !one.metric.empty(); });
  if (!for_business)
    table.missing("requests",
                  "the metric that counts requests; or latency, which counts them too; or a "
                  "[[business]] with a metric");
}

ServiceFile::Class read_class(ConfigTable& table) {
  ServiceFile::Class one;
  if (!table.has("name")) table.missing("name", "what these requests are called");
  one.name = table.string("name").value_or("");
  if (table.has("name") &&
      (one.name.empty() || one.name.size() > kMostClassNameBytes || has_control(one.name))) {
    table.problem("name", "must be 1 to 64 bytes without control characters");
  } else if (one.name == ServiceFile::kRestClass) {
    table.problem("name", "\"other\" is what the requests of no class are called");
  }
  if (!table.has("field") && !table.has("label"))
    table.missing("field",
                  "the field of the log to look at, such as \"$uri\"; or label, of a metric");
  one.field = table.string("field");
  one.label = table.string("label");
  if (one.field && !one.field->starts_with('$'))
    table.problem("field", "must be a field of the format, such as \"$uri\"");
  if (one.label && one.field)
    table.problem("label", "and field are one too many: a class is of a log, or of metrics");
  if (!table.has("equals") && !table.has("prefix"))
    table.missing("prefix", "what the field or label of its requests begins with; or equals");
  one.equals = table.string("equals");
  one.prefix = table.string("prefix");
  if (one.equals && one.prefix) table.problem("prefix", "and equals are one too many");
  for (const auto& [key, text] : {std::pair{"equals", one.equals}, {"prefix", one.prefix}})
    if (text && (text->empty() || text->size() > kMostTextBytes))
      table.problem(key, "must be 1 to 4095 bytes");
  return one;
}

void check_classes(ConfigTable& root, const ServiceFile& service) {
  auto has_source = [&](bool log) {
    return std::any_of(service.requests.begin(), service.requests.end(), [&](const auto& one) {
      return one.counts_requests() && one.is_log() == log;
    });
  };
  for (const auto& one : service.classes) {
    if (one.field && !has_source(true))
      root.problem("class", fmt::format("\"{:.64}\" has a field, which needs a [[requests]] of "
                                        "access_log or syslog",
                                        one.name));
    if (one.label && !has_source(false))
      root.problem("class", fmt::format("\"{:.64}\" has a label, which needs a [[requests]] of "
                                        "statsd, prometheus or recorder",
                                        one.name));
  }
}

}  // namespace serin::service_fields

namespace serin {

Result<ScrapeUrl> parse_scrape_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme))
    return fail("must begin with http://, as only what runs on this host is scraped");
  std::string_view rest = text.substr(kScheme.size());
  const size_t slash = rest.find('/');
  std::string authority(rest.substr(0, slash));
  ScrapeUrl url{.host = {}, .port = 0, .target = "/"};
  if (slash != std::string_view::npos) url.target = rest.substr(slash);
  const bool odd =
      std::any_of(text.begin(), text.end(), [](char c) { return c <= 0x20 || c == 0x7F; });
  if (odd || text.size() > service_fields::kMostTextBytes ||
      text.find('#') != std::string_view::npos)
    return fail("must be a URL without blanks, control characters and #");
  if (authority.find('@') != std::string::npos) return fail("must not hold a user's name");
  if (authority.rfind(':') == std::string::npos || authority.ends_with(']')) authority += ":80";
  const auto place = service_fields::host_and_port(authority);
  if (!place) return fail(fmt::format("has no host and port: \"{:.200}\"", authority));
  url.host = place->first == "localhost" ? "127.0.0.1" : place->first;
  std::from_chars(place->second.data(), place->second.data() + place->second.size(), url.port);
  return url;
}

}  // namespace serin
