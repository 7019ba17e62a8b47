#include "ctl/show/explain.h"

#include <fmt/core.h>

#include <algorithm>

#include "aggregator/core/words.h"
#include "ctl/show/table.h"
#include "ctl/show/words.h"

namespace serin::ctl {
namespace {

constexpr size_t kMostHostsInALine = 8;

std::string hosts_counted(size_t count) {
  return count == 1 ? "1 host" : fmt::format("{} hosts", count);
}

/// Words in lines of at most kColumns, those after the first further in.
std::string wrapped(const std::string& text) {
  constexpr size_t kColumns = 98;
  std::string out, line = "  ";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (line.size() + word.size() > kColumns && line.find_first_not_of(' ') != line.npos) {
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
      line = "    ";
    }
    line += word + " ";
    at = end + 1;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return out + line + "\n";
}

std::string head(const core::DeployView& deploy) {
  std::string out =
      fmt::format("{} {} on {}: {}.\n", deploy.service, deploy.version,
                  list_of(canary_names(deploy), kMostHostsInALine), state_words(deploy.state));
  out += fmt::format(
      "Deploy {}, seen first at {}, {}.\n", deploy.id, utc(deploy.opened_us),
      deploy.previous.empty() ? "with no version before it" : "in the place of " + deploy.previous);
  if (deploy.attempt > 1) {
    out += fmt::format("This version was tried before: attempt {}.\n", deploy.attempt);
  }
  if (deploy.same_name) out += "Another build under a name that was used before.\n";
  if (deploy.irreversible) out += "Declared irreversible: it is not put back automatically.\n";
  if (deploy.incomplete) {
    out += "This rests on less than the whole watch: part of it was not kept.\n";
  }
  return out;
}

std::string why(const core::DeployView& deploy) {
  std::string verdict = "no verdict yet";
  if (!deploy.verdict.empty()) {
    verdict = fmt::format("{}, {:.1f} s after it was first seen", deploy.verdict,
                          static_cast<double>(deploy.decided_us - deploy.opened_us) / 1e6);
  }
  std::string out = fmt::format("\nWhy\n  Verdict: {}.\n", verdict);
  if (!deploy.reason.text.empty()) out += wrapped(deploy.reason.text);
  if (deploy.reason.kind == ReasonKind::guardrail) {
    out += "  This is a guardrail: a plain fact that needs no comparison.\n";
  }
  if (deploy.reason.kind == ReasonKind::act) out += "  A person decided this.\n";
  return out;
}

/// When the whole comparison is not kept any more, the reason still holds the numbers that decided.
std::vector<core::MetricView> decisive_metric(const core::DeployView& deploy) {
  const Reason& reason = deploy.reason;
  if (reason.kind != ReasonKind::evidence || !reason.log_evidence) return {};
  return {{.metric = reason.metric, .text = reason.text}};
}

std::string cost(const core::DeployView& deploy) {
  std::string out = fmt::format(
      "\nWhat it cost\n  {} requests were harmed, of {} that the new version answered ({} "
      "failed).\n",
      grouped(deploy.requests_harmed), grouped(deploy.canary_requests),
      grouped(deploy.canary_errors));
  if (deploy.first_bad_us != 0) {
    out += fmt::format("  The first error was seen at {} ({}).\n", utc_clock(deploy.first_bad_us),
                       seconds_between(deploy.opened_us, deploy.first_bad_us));
  }
  return out;
}

std::string moment(const core::DeployView& deploy, int64_t at_us) {
  return at_us == 0 ? "-" : seconds_between(deploy.opened_us, at_us);
}

std::string hosts(const core::DeployView& deploy) {
  Table table({"HOST", "CAME FROM", "BACK TO", "COMMANDED", "RESTORED", "VERIFIED", "LAST STEP"});
  for (const auto& host : deploy.hosts) {
    std::string step = host.step.empty() ? "-" : host.step;
    if (!host.reason.empty()) step += ": " + host.reason;
    if (host.left) step += " (has left)";
    table.add({host.host, host.from.empty() ? "-" : host.from,
               host.target.empty() ? "-" : host.target, moment(deploy, host.commanded_us),
               moment(deploy, host.restored_us), moment(deploy, host.verified_us), step});
  }
  return "\nHosts with the new version (times since it was first seen)\n" + table.text("  ");
}

/// A host that differs in more than the version, and what changed on it with the deploy.
std::string drift(const core::DeployView& deploy) {
  if (deploy.drift.empty()) return "";
  std::string out = "\nWhat else differs\n";
  for (const auto& entry : deploy.drift) {
    out += wrapped(entry.blocking ? entry.text + ": it left the evidence, as what it shows may come from that"
                                  : entry.text);
  }
  return out;
}

std::string timeline(const core::DeployView& deploy) {
  if (deploy.timeline.empty()) return "";
  std::string out = "\nTimeline (UTC; seconds since it was first seen)\n";
  for (const auto& entry : deploy.timeline) out += "  " + timeline_line(deploy, entry) + "\n";
  return out;
}

}  // namespace

std::string compared(const core::DeployView& deploy) {
  std::string out =
      fmt::format("\nWhat was compared\n  {} with {} against {} with another version: {}.\n",
                  hosts_counted(deploy.hosts.size()), deploy.version,
                  hosts_counted(deploy.baseline_hosts.size()),
                  list_of(deploy.baseline_hosts, kMostHostsInALine));
  const auto metrics = deploy.metrics.empty() ? decisive_metric(deploy) : deploy.metrics;
  if (metrics.empty()) {
    return out + (deploy.ended_us == 0
                      ? "  Nothing to compare yet.\n"
                      : "  The numbers of the comparison are not kept any more.\n");
  }
  for (const auto& metric : metrics) out += wrapped(metric.text);
  if (!deploy.absent.empty()) out += "\nWhat is not judged\n";
  for (const auto& entry : deploy.absent) out += wrapped(entry.metric + ": " + entry.reason);
  return out +
         "  (\"200 : 1\" means: what was seen is 200 times likelier if the new version is worse "
         "than if it is not. \"95 % sure\" holds for all moments of the watch together.)\n";
}

std::string explain(const core::DeployView& deploy) {
  return head(deploy) + why(deploy) + compared(deploy) + drift(deploy) + cost(deploy) + hosts(deploy) +
         timeline(deploy);
}

std::string timeline_line(const core::DeployView& deploy, const core::TimelineEntry& entry) {
  std::string kind = entry.kind;
  std::ranges::replace(kind, '_', ' ');
  constexpr size_t kClock = 9, kKind = 17;
  std::string line =
      fmt::format("{}  {:>{}}  {}  ", utc_clock(entry.at_us),
                  seconds_between(deploy.opened_us, entry.at_us), kClock, padded(kind, kKind));
  if (!entry.host.empty()) line += entry.host + "  ";
  line += entry.text;
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string standing(const core::DeployView& deploy, int64_t now_us) {
  std::string line =
      fmt::format("{} {} {}", deploy.service, deploy.version, state_name(deploy.state));
  const auto nearest = std::ranges::max_element(
      deploy.metrics, {}, [](const core::MetricView& m) { return m.log_evidence - m.threshold; });
  if (nearest != deploy.metrics.end()) {
    line +=
        fmt::format(" · {} · {} of {}", core::words_compared(*nearest),
                    core::words_odds(nearest->log_evidence), core::words_odds(nearest->threshold));
  }
  line += fmt::format(" · {} requests", grouped(deploy.canary_requests));
  if (deploy.verdict.empty() && deploy.window_ends_us > now_us && now_us != 0) {
    line +=
        fmt::format(" · {:.0f} s left", static_cast<double>(deploy.window_ends_us - now_us) / 1e6);
  }
  return line;
}

}  // namespace serin::ctl
