#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>

#include "agent/discover/apache_logs.h"
#include "agent/discover/haproxy_log.h"
#include "agent/discover/nginx_logs.h"
#include "agent/discover/proposal.h"
#include "agent/discover/toml_text.h"
#include "agent/request/log_format.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMostSources = 8;  // half of what a service file takes

bool is_program(const FoundUnit& unit, std::string_view name) {
  return unit.program() == name || (!unit.argv.empty() && unit.argv[0].starts_with(name));
}

/// What follows an option such as `-c`; nginx writes its whole command line into one word.
std::optional<std::string> option_of(const FoundUnit& unit, const std::string& option) {
  bool next = false;
  for (const auto& argument : unit.argv) {
    std::string_view rest = argument;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      const auto word = rest.substr(0, end);
      if (next && word.starts_with('/')) return std::string(word);
      next = word == option;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return std::nullopt;
}

std::optional<fs::path> first_file(const HostTree& tree, std::vector<fs::path> candidates) {
  for (auto& path : candidates)
    if (tree.is_file(path)) return std::move(path);
  return std::nullopt;
}

/// What Debian's apache2ctl exports, out of the process, else out of the file it reads.
std::map<std::string, std::string> apache_environment(const HostTree& tree, const FoundUnit& unit) {
  std::map<std::string, std::string> environment;
  auto add = [&](std::string_view text, char separator) {
    while (!text.empty()) {
      const size_t end = std::min(text.find(separator), text.size());
      auto line = text.substr(0, end);
      if (line.starts_with("export ")) line.remove_prefix(7);
      text.remove_prefix(std::min(end + 1, text.size()));
      const size_t equals = line.find('=');
      if (!line.starts_with("APACHE_") || equals == std::string_view::npos) continue;
      std::string value(line.substr(equals + 1));
      if (value.ends_with("$SUFFIX")) value.resize(value.size() - 7);
      environment.try_emplace(std::string(line.substr(0, equals)), std::move(value));
    }
  };
  if (auto text = tree.text(fmt::format("/proc/{}/environ", unit.pid))) add(*text, '\0');
  if (auto text = tree.text("/etc/apache2/envvars")) add(*text, '\n');
  return environment;
}

std::string log_lines(const HostTree& tree, const FoundLog& log, std::string why_not) {
  auto format = LogFormat::compile(log.format, {});
  if (why_not.empty()) why_not = log.problem;
  if (why_not.empty() && !format) why_not = format.error().message;
  if (why_not.empty() && !tree.is_file(log.path)) why_not = "there is no such file yet";
  std::string lines = fmt::format("[[requests]]\nsource = \"access_log\"\npath = {}\nformat = {}\n",
                                  toml_string(log.path.string()), toml_string(log.format));
  std::string text = toml_comment("Requests, by the log that " + log.where + " names.");
  if (!why_not.empty())
    return text + toml_comment("Not counted: " + why_not + ".") + commented_out(lines);
  if (!format->has_latency())
    text += toml_comment(
        "The format holds no duration, so errors are judged and latency is not: append "
        "$request_time (nginx) or %D (Apache) there and here.");
  return text + lines;
}

std::string haproxy_lines(const HostTree& tree, const FoundUnit& unit) {
  const fs::path config = option_of(unit, "-f").value_or("/etc/haproxy/haproxy.cfg");
  const auto log = haproxy_log(tree, config);
  const std::string format = log.format.empty() ? "haproxy" : log.format;
  const std::string lines =
      fmt::format("[[requests]]\nsource = \"syslog\"\nlisten = \"{}\"\ntag = {}\nformat = \"{}\"\n",
                  kAgentSyslog, toml_string(log.tag), format);
  if (log.to_us && !log.format.empty())
    return toml_comment("Requests, by what " + config.string() + " sends to the agent's socket.") +
           lines;
  std::string missing = log.format.empty() ? "`option httplog` in its defaults" : "";
  if (!log.to_us) {
    if (!missing.empty()) missing += " and ";
    missing += fmt::format("`log {} local0` in its global part", kAgentSyslog);
  }
  return toml_comment(fmt::format(
             "Requests by syslog. Not counted: {} needs {}; then take the # away. With a chroot, "
             "use listen = \"127.0.0.1:5514\" and `log 127.0.0.1:5514 local0`.",
             config.string(), missing)) +
         commented_out(lines);
}

std::string page_lines(const MetricsPage& page) {
  std::string lines =
      fmt::format("[[requests]]\nsource = \"prometheus\"\nurl = {}\n", toml_string(page.url));
  if (!page.requests.empty()) lines += fmt::format("requests = {}\n", toml_string(page.requests));
  if (!page.status_label.empty())
    lines += fmt::format("status_label = {}\n", toml_string(page.status_label));
  if (!page.latency.empty()) lines += fmt::format("latency = {}\n", toml_string(page.latency));
  if (page.requests.empty() && page.latency.empty())
    return toml_comment(page.url +
                        " is a page of metrics, but none of its names is known to count requests. "
                        "Name the counter, then take the # away.") +
           commented_out(lines + "requests = \"…\"\nerrors = \"…\"\n");
  std::string text = toml_comment("Requests, by the metrics that it shows. Are these all of them?");
  if (page.status_label.empty() && !page.requests.empty())
    text +=
        toml_comment("Which of them failed is not known: add errors = 'NAME{outcome=\"failed\"}'.");
  return text + lines;
}

/// A log in front counts for a unit when everything in it was handed on to its ports.
std::optional<std::string> front_lines(const HostTree& tree, const FoundUnit& unit,
                                       const std::vector<FoundLog>& logs) {
  std::string text;
  for (const auto& log : logs) {
    auto is_ours = [&](uint16_t port) {
      return std::ranges::find(unit.ports, port, &OpenPort::port) != unit.ports.end();
    };
    if (std::ranges::none_of(log.behind, is_ours)) continue;
    const bool all = std::ranges::all_of(log.behind, is_ours) && !log.also_own;
    if (!text.empty()) text += "\n";
    text +=
        log_lines(tree, log,
                  all ? ""
                      : "requests of others stand in it too: give the server or location of this "
                        "service an access_log of its own");
  }
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

std::string nothing_found(const FoundUnit& unit, const Surroundings& around) {
  return toml_comment(fmt::format(
             "Nothing was found that tells of its requests{}, so only its processes are watched: "
             "no errors, no latency. One of these, or [[requests]] with source = \"recorder\"; the "
             "last one, alone, for a service without traffic:",
             around.asked ? "" : " (discover --probe also asks its ports for /metrics)")) +
         commented_out(
             "[[requests]]\nsource = \"access_log\"\npath = \"/var/log/…/access.log\"\n"
             "format = \"combined\"\n\n"
             "[[requests]]\nsource = \"prometheus\"\nurl = \"http://127.0.0.1:9100/metrics\"\n"
             "requests = \"http_requests_total\"\nstatus_label = \"code\"\n"
             "latency = \"http_request_duration_seconds\"\n\n" +
             fmt::format("[[requests]]\nsource = \"probe\"\nurl = \"tcp://{}:{}\"\n",
                         unit.ports.front().url_host(), unit.ports.front().port));
}

}  // namespace

std::vector<FoundLog> own_logs(const HostTree& tree, const FoundUnit& unit) {
  if (is_program(unit, "nginx")) {
    auto named = option_of(unit, "-c");
    return nginx_logs(tree, named.value_or("/etc/nginx/nginx.conf"));
  }
  if (!is_program(unit, "apache2") && !is_program(unit, "httpd")) return {};
  auto config = first_file(tree, {option_of(unit, "-f").value_or(""), "/etc/apache2/apache2.conf",
                                  "/etc/httpd/conf/httpd.conf"});
  return config ? apache_logs(tree, *config, apache_environment(tree, unit))
                : std::vector<FoundLog>{};
}

std::string propose_requests(const HostTree& tree, const FoundUnit& unit,
                             const Surroundings& around) {
  if (is_program(unit, "haproxy")) return haproxy_lines(tree, unit);
  std::string text;
  size_t count = 0;
  for (const auto& log : own_logs(tree, unit)) {
    if (++count > kMostSources) break;
    text += (text.empty() ? "" : "\n") + log_lines(tree, log, "");
  }
  if (count > kMostSources)
    text += "\n" + toml_comment("There are more logs than these; each takes such a block.");
  if (!text.empty()) return text;
  if (auto front = front_lines(tree, unit, around.front_logs)) return *front;
  if (around.answers.metrics) return page_lines(*around.answers.metrics);
  return nothing_found(unit, around);
}

}  // namespace serin::agent
