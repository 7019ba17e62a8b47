#include "ctl/show/lists.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "aggregator/core/words.h"
#include "ctl/show/table.h"
#include "ctl/show/words.h"
#include "schema/fact.h"

namespace serin::ctl {
namespace {

constexpr size_t kMostNames = 4;      // a cell stays readable
constexpr size_t kGlanceDeploys = 5;  // a glance, not a history
constexpr size_t kGlanceTroubles = 10;

std::string running(const core::ServiceView& service) {
  std::vector<std::string> words;
  words.reserve(service.versions.size());
  for (const auto& [version, hosts] : service.versions) {
    words.push_back(fmt::format("{} ({})", version, hosts));
  }
  return list_of(words, kMostNames);
}

/// A fact of a host; empty where it is not known.
std::string fact_of(const core::HostView& host, std::string_view name) {
  for (const auto& [known, value] : host.facts) {
    if (known == name && !fact::is_absent(value)) return value;
  }
  return "";
}

/// Would a rollback work there right now?
std::string ready(const core::HostView& host) {
  const std::string said = fact_of(host, "rollback.ready");
  return said.empty() ? "-" : said.substr(0, said.find(':'));
}

std::string rehearsed(const core::HostView& host) {
  if (!host.drill.empty()) return "now";
  const std::string seconds = fact_of(host, "rollback.rehearsed_seconds");
  if (seconds.empty()) return "-";
  const std::string day = fact_of(host, "rollback.rehearsed_at").substr(0, 10);
  return fmt::format("{} s{}{}", seconds, day.empty() ? "" : " on ", day);
}

/// What is not as it should be with a host; empty when all is well.
std::string trouble(const core::HostView& host) {
  if (host.conflict) return "two agents speak with this host's id";
  if (host.gone) return "";
  if (host.silent) return "silent since " + utc(host.last_heard_us);
  if (host.phase == Phase::down) return "down: no process runs";
  if (host.phase == Phase::not_serving) return "answers no request";
  if (host.phase == Phase::unattributed) return "requests cannot be told apart by version";
  if (ready(host) == "no") {
    const std::string said = fact_of(host, "rollback.ready");  // "no: why"
    constexpr size_t kWhy = 4;
    return "no rollback would work: " + said.substr(std::min(kWhy, said.size()));
  }
  return "";
}

std::string troubles(const std::vector<core::HostView>& hosts) {
  std::string out;
  size_t found = 0;
  for (const auto& host : hosts) {
    const std::string words = trouble(host);
    if (words.empty() || ++found > kGlanceTroubles) continue;
    out += fmt::format("  {} ({}): {}\n", host.host, host.service, words);
  }
  if (found > kGlanceTroubles) {
    out += fmt::format("  and {} more: serinctl hosts\n", found - kGlanceTroubles);
  }
  return found == 0 ? "" : "\nHosts in trouble\n" + out;
}

/// How often untouched hosts were found to be worse, which none of them was.
std::string false_alarms(const std::vector<core::ServiceView>& services) {
  std::string out;
  for (const auto& service : services) {
    if (service.placebos.empty()) continue;
    uint64_t runs = 0, fired = 0;
    std::string wide;
    for (const auto& one : service.placebos) {
      runs = std::max(runs, one.runs_hour);  // a run tries all metrics
      fired += one.fired_hour;
      if (one.advisory) {
        wide += fmt::format("\n    ! {}", one.text);
      } else if (one.widening > 1) {
        wide += fmt::format("\n    {}: spread taken x{:.2g}", one.metric, one.widening);
      }
    }
    out += fmt::format("  {}: {} in {} trials on untouched hosts in the last hour{}\n", service.name,
                       grouped(fired), grouped(runs), wide);
  }
  return out.empty() ? "" : "\nFalse alarms\n" + out;
}

/// What a host's agent lost or did late since its start; "-" where it tells nothing.
std::string agent_words(const core::HostView& host) {
  if (!host.agent) return "-";
  const AgentSelf& self = *host.agent;
  if (self.ring_dropped + self.late_ticks + self.lines_skipped == 0) return "fine";
  return fmt::format("{} dropped, {} late, {} lines skipped", grouped(self.ring_dropped),
                     grouped(self.late_ticks), grouped(self.lines_skipped));
}

}  // namespace

std::string show_status(const StatusAnswer& status, const std::vector<core::ServiceView>& services,
                        const std::vector<core::DeployView>& deploys,
                        const std::vector<core::HostView>& hosts, const std::string& api) {
  std::string out =
      fmt::format("Serin {} at {}: {}, {}; its clock says {}\n", status.version, api,
                  status.connected ? "connected to NATS" : "NOT CONNECTED to NATS",
                  status.caught_up ? "up to date" : "still reading the stream", utc(status.now_us));
  for (const std::string& warning : status.warnings) out += "  ! " + warning + "\n";

  Table table({"SERVICE", "HOSTS", "RUNNING", "KNOWN GOOD", "CONDEMNED", "WATCHED NOW",
               "WARM-UP"});
  for (const auto& service : services) {
    table.add({service.name, std::to_string(service.hosts), running(service),
               list_of(service.settled, kMostNames), list_of(service.condemned, kMostNames),
               list_of(service.open_deploys, kMostNames),
               core::words_warmup(service.warmup_restarts)});
  }
  out += table.rows() == 0 ? "\nNo service has been heard of yet.\n" : "\n" + table.text();
  out += false_alarms(services);
  if (!deploys.empty()) {
    const size_t shown = std::min(deploys.size(), kGlanceDeploys);
    out += "\nLatest deploys\n" +
           show_deploys({deploys.begin(), deploys.begin() + static_cast<ptrdiff_t>(shown)});
  }
  return out + troubles(hosts);
}

std::string show_deploys(const std::vector<core::DeployView>& deploys) {
  if (deploys.empty()) return "No deploys.\n";
  Table table({"DEPLOY", "SERVICE", "VERSION", "BEFORE", "STATE", "HOSTS", "FIRST SEEN", "DECIDED",
               "HARMED", "WHY"});
  for (const auto& deploy : deploys) {
    table.add({deploy.id, deploy.service, deploy.version,
               deploy.previous.empty() ? "-" : deploy.previous, state_name(deploy.state),
               list_of(canary_names(deploy), kMostNames), utc(deploy.opened_us),
               deploy.decided_us == 0 ? "-" : seconds_between(deploy.opened_us, deploy.decided_us),
               grouped(deploy.requests_harmed), culprit(deploy)});
  }
  return table.text();
}

std::string show_hosts(std::vector<core::HostView> hosts, int64_t now_us) {
  if (hosts.empty()) return "No host has been heard of yet.\n";
  std::ranges::sort(hosts, {}, [](const auto& host) { return std::tie(host.service, host.host); });
  Table table({"HOST", "SERVICE", "VERSION", "NEXT START", "DOES", "HEARD", "SAMPLES", "LOST",
               "LATE", "DEPLOY", "READY", "REHEARSED", "AGENT", "TROUBLE"});
  for (const auto& host : hosts) {
    std::string does(name(host.phase));
    std::ranges::replace(does, '_', ' ');
    table.add({host.host, host.service, host.version.empty() ? "-" : host.version,
               host.selected.empty() || host.selected == host.version ? "same" : host.selected,
               host.gone ? "gone" : does,
               now_us == 0 ? utc(host.last_heard_us)
                           : fmt::format("{:.1f} s ago", static_cast<double>(std::max<int64_t>(
                                                             0, now_us - host.last_heard_us)) /
                                                             1e6),
               grouped(host.samples), grouped(host.gaps), grouped(host.late),
               host.deploy.empty() ? "-" : host.deploy, ready(host), rehearsed(host),
               agent_words(host), trouble(host).empty() ? "-" : trouble(host)});
  }
  return table.text();
}

std::string show_drills(const std::vector<core::DrillView>& drills) {
  if (drills.empty()) return "No drills. A rollback that was never rehearsed is a hope: serinctl drill HOST SERVICE\n";
  const auto seconds = [](const std::optional<double>& taken) {
    return taken ? fmt::format("{:.1f} s", *taken) : std::string("-");
  };
  Table table({"ASKED", "SERVICE", "HOST", "VERSION", "TO", "BY", "STATE", "THERE", "BACK", "WHAT"});
  for (const auto& drill : drills) {
    table.add({utc(drill.asked_us), drill.service, drill.host,
               drill.version.empty() ? "-" : drill.version,
               drill.target.empty() ? "-" : drill.target, drill.actor.empty() ? "-" : drill.actor,
               std::string(core::name(drill.state)), seconds(drill.there_seconds),
               seconds(drill.back_seconds), drill.text});
  }
  return table.text();
}

}  // namespace serin::ctl
