#include "tests/sim/fleet/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/sim/fleet/fleet.h"

namespace serin::sim {
namespace {

using Words = std::vector<std::string>;
using Options = std::map<std::string, std::string>;

Words split(const std::string& line) {
  std::istringstream in(line);
  Words words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Options options_of(const Words& words, size_t from) {
  Options options;
  for (size_t i = from; i < words.size(); ++i) {
    const auto equal = words[i].find('=');
    options[words[i].substr(0, equal)] = equal == std::string::npos ? "1" : words[i].substr(equal + 1);
  }
  return options;
}

double number(const Options& options, const std::string& key, double otherwise) {
  auto it = options.find(key);
  return it == options.end() ? otherwise : std::stod(it->second);
}

struct Story {
  World world;
  std::pair<uint64_t, uint64_t> seeds = {1, 2};
  PolicySet policy;
  std::map<std::string, Release> releases;
  std::vector<std::pair<double, Words>> timeline;
  std::vector<Words> expectations;
  double end = 0;
  std::string problem;
};

void read_world(Story& story, const Options& o) {
  World& w = story.world;
  w.hosts = static_cast<int>(number(o, "hosts", w.hosts));
  w.rate = number(o, "rate", w.rate);
  w.error_rate = number(o, "error_rate", w.error_rate);
  w.host_sd = number(o, "host_sd", w.host_sd);
  w.noise_sd = number(o, "noise_sd", w.noise_sd);
  w.missing = number(o, "missing", w.missing);
  w.warmup = number(o, "warmup", w.warmup);
  w.gauges = o.contains("gauges");
  w.sockets = o.contains("sockets");
  w.dead_man = o.contains("dead_man");
  w.usual = number(o, "usual", w.usual);
  if (auto counter = o.find("counter"); counter != o.end()) w.counter = counter->second;
  if (auto seeds = o.find("seeds"); seeds != o.end()) {
    const auto colon = seeds->second.find(':');
    story.seeds = {std::stoull(seeds->second.substr(0, colon)), std::stoull(seeds->second.substr(colon + 1))};
  }
}

void read_policy(Story& story, const Options& o) {
  Policy& p = story.policy.fallback;
  p.watch_window_seconds = number(o, "watch_window", p.watch_window_seconds);
  p.slo_errors = number(o, "slo_errors", p.slo_errors);
  p.baseline_age_seconds = number(o, "baseline_age", p.baseline_age_seconds);
  p.min_healthy = number(o, "min_healthy", p.min_healthy);
  p.max_parallel = number(o, "max_parallel", p.max_parallel);
  p.must_see_errors = number(o, "must_see", p.must_see_errors);
  p.must_see_latency = number(o, "must_see_latency", p.must_see_latency);
  p.verify_seconds = number(o, "verify", p.verify_seconds);
  if (auto hurts = o.find("higher_hurts"); hurts != o.end()) p.business[hurts->second] = Policy::Hurts::higher;
  if (auto mode = o.find("mode"); mode != o.end()) {
    p.mode = mode->second == "observe"     ? Policy::Mode::observe
             : mode->second == "recommend" ? Policy::Mode::recommend
                                           : Policy::Mode::enforce;
  }
}

Release read_release(const Options& o) {
  return {.errors = number(o, "errors", 1),
          .add_errors = number(o, "add_errors", 0),
          .lifetime_seconds = number(o, "lifetime", 0),
          .stays_down = o.contains("stays_down"),
          .traffic = number(o, "traffic", 1),
          .after = number(o, "after", 0),
          .burst_every = number(o, "burst_every", 0),
          .slower = number(o, "slower", 1),
          .tail = number(o, "tail", 1),
          .tail_share = number(o, "tail_share", 0),
          .slow_share = number(o, "slow_share", 0),
          .slow_seconds = number(o, "slow_seconds", 0),
          .cpu = number(o, "cpu", 1),
          .threads = number(o, "threads", 1),
          .memory_leak = number(o, "memory_leak", 0),
          .fd_leak = number(o, "fd_leak", 0),
          .counts = number(o, "counts", 1),
          .connection_leak = number(o, "connection_leak", 0),
          .failed_connects = number(o, "failed_connects", 0),
          .overflows = number(o, "overflows", 0)};
}

Story read(const std::filesystem::path& file) {
  Story story;
  std::ifstream in(file);
  int number_of_line = 0;
  for (std::string line; std::getline(in, line);) {
    ++number_of_line;
    const Words words = split(line.substr(0, line.find('#')));
    if (words.empty()) continue;
    if (words[0] == "world") {
      read_world(story, options_of(words, 1));
    } else if (words[0] == "policy") {
      read_policy(story, options_of(words, 1));
    } else if (words[0] == "release" && words.size() > 1) {
      story.releases[words[1]] = read_release(options_of(words, 2));
    } else if (words[0] == "at" && words.size() > 2) {
      story.timeline.emplace_back(std::stod(words[1]), Words(words.begin() + 2, words.end()));
    } else if (words[0] == "run" && words.size() == 2) {
      story.end = std::stod(words[1]);
    } else if (words[0] == "expect" && words.size() > 2) {
      story.expectations.emplace_back(words.begin() + 1, words.end());
    } else {
      story.problem = fmt::format("{}:{}: not understood: {}", file.string(), number_of_line, line);
      return story;
    }
  }
  if (story.end == 0 || story.expectations.empty()) story.problem = file.string() + ": needs `run` and `expect`";
  return story;
}

/// `fact HOST NAME VALUE…`; `*`: every host.
void tell_fact(Fleet& fleet, const Words& w) {
  std::string value;
  for (size_t i = 3; i < w.size(); ++i) value += (value.empty() ? "" : " ") + w[i];
  const bool every = w.at(1) == "*";
  for (int host = every ? 0 : std::stoi(w.at(1)); host < (every ? fleet.hosts() : std::stoi(w.at(1)) + 1); ++host) {
    fleet.fact(host, w.at(2), value);
  }
}

bool perform(Fleet& fleet, const Words& w) {
  const auto host = [&] { return std::stoi(w.at(1)); };
  const std::string& what = w[0];
  if (what == "deploy") fleet.start(host(), w.at(2));
  else if (what == "fact") tell_fact(fleet, w);
  else if (what == "outage") fleet.bus_outage(std::stod(w.at(1)));
  else if (what == "silence") fleet.silence(host(), std::stod(w.at(2)), false);
  else if (what == "agent_restart") fleet.silence(host(), std::stod(w.at(2)), true);
  else if (what == "fleet_errors") fleet.fleet_errors(std::stod(w.at(1)), std::stod(w.at(2)));
  else if (what == "fleet_slower") fleet.fleet_slower(std::stod(w.at(1)), std::stod(w.at(2)));
  else if (what == "partner_fails") fleet.partner_fails(std::stod(w.at(1)), std::stod(w.at(2)));
  else if (what == "host_errors") fleet.host_errors(host(), std::stod(w.at(2)), std::stod(w.at(3)));
  else if (what == "aggregator_restart") fleet.restart_aggregator();
  else if (what == "crash_after_decision") fleet.crash_after_next_decision();
  else if (what == "act") fleet.person_acts(act_from(w.at(1)).value(), "ann");
  else if (what == "helper_fails") fleet.helper_fails(host());
  else if (what == "helper_fails_late") fleet.helper_fails_late(host());
  else if (what == "helper_refuses") fleet.helper_refuses(host());
  else if (what == "flag") fleet.has_flag(host(), w.at(2) == "helps");
  else if (what == "helper_mended") fleet.helper_mended(host());
  else if (what == "cut_off") fleet.cut_off(host(), std::stod(w.at(2)));
  else if (what == "dead_man") fleet.dead_man(host());
  else if (what == "not_ready") fleet.not_ready(host(), "the release before is gone");
  else if (what == "other_artefact") fleet.other_artefact(host());
  else if (what == "drill") fleet.drill(host(), "ann");
  else if (what == "declare_irreversible") fleet.declare(w.at(1), true);
  else if (what == "absolve") fleet.absolve(w.at(1));
  else if (what == "stranger") fleet.stranger(host());
  else if (what == "duplicate") fleet.duplicate_everything();
  else return false;
  return true;
}

std::optional<DecisionKind> decision_kind(const std::string& word) {
  for (int i = 0; i <= static_cast<int>(DecisionKind::declared); ++i) {
    if (name(static_cast<DecisionKind>(i)) == word) return static_cast<DecisionKind>(i);
  }
  return std::nullopt;
}

std::string told(const Fleet& fleet) {
  std::string all;
  for (const auto& d : fleet.audit()) {
    all += fmt::format("\n    {:8.1f} {} {} {}", static_cast<double>(d.at_us - fleet.stream().front().stored_us) / 1e6,
                       name(d.kind), d.version, d.reason.text);
  }
  return all;
}

/// Empty when it holds.
std::string check(const Fleet& fleet, const Words& w) {
  if (w[0] == "runs") {
    const std::string runs = fleet.version_on(std::stoi(w.at(1)));
    return runs == w.at(2) ? "" : fmt::format("host {} runs {}", w[1], runs);
  }
  if (w[0] == "executed") {
    const int n = fleet.executed(std::stoi(w.at(1)));
    return n == std::stoi(w.at(2)) ? "" : fmt::format("{} rollbacks were executed on host {}", n, w[1]);
  }
  if (w[0] == "drills") {
    const int n = fleet.drilled(std::stoi(w.at(1)));
    return n == std::stoi(w.at(2)) ? "" : fmt::format("{} drills on host {}", n, w[1]);
  }
  if (w[0] == "confirmed") {
    const std::string version = fleet.confirmed(std::stoi(w.at(1)));
    return version == (w.at(2) == "-" ? "" : w[2]) ? "" : fmt::format("{} is confirmed on host {}", version, w[1]);
  }
  if (w[0] == "gate") {
    const auto answer = fleet.fold().gate("api", w.at(1), 0);
    const bool stop = answer.gate == core::Fold::Gate::stop;
    return stop == (w.at(2) == "stop") ? "" : "it answers: " + answer.text;
  }
  if (w[0] == "commands") {
    const auto n = std::ranges::count_if(fleet.commands(), [&](const Command& c) { return name(c.kind) == w.at(1); });
    return n == std::stoi(w.at(2)) ? "" : fmt::format("{} commands of kind {}", n, w[1]);
  }
  if (w[0] == "notified") {
    const auto n = std::ranges::count(fleet.notifications(), w.at(1), &core::Notification::kind);
    return n == std::stoi(w.at(2)) ? "" : fmt::format("{} notifications of kind {}", n, w[1]);
  }
  const bool none = w[0] == "no", text = w[0] == "text";
  const size_t first = none || text ? 1 : 0;
  const auto kind = decision_kind(w.at(first));
  if (!kind) return "no such decision: " + w[first];
  if (none) {
    const Decision* found = fleet.find(*kind, w.size() > 2 ? w[2] : "");
    return found == nullptr ? "" : "there is one: " + found->reason.text;
  }
  if (text) {
    const Decision* found = fleet.find(*kind);
    std::string words;
    for (size_t i = 2; i < w.size(); ++i) words += (words.empty() ? "" : " ") + w[i];
    if (found == nullptr) return "there is no such decision";
    return found->reason.text.find(words) != std::string::npos ? "" : "it says: " + found->reason.text;
  }
  const Decision* found = fleet.find(*kind, w.size() > 1 ? w[1] : "");
  if (found == nullptr) return "it never came";
  const Options o = options_of(w, 2);
  const double at = static_cast<double>(found->at_us - 1'700'000'000'000'000) / 1e6;
  // "latency" stands for every metric of latency.
  if (auto metric = o.find("metric"); metric != o.end() && !found->reason.metric.starts_with(metric->second)) {
    return "its metric is " + found->reason.metric;
  }
  if (at > number(o, "by", 1e18)) return fmt::format("it came at {:.1f}", at);
  if (at < number(o, "after", 0)) return fmt::format("it came at {:.1f} already", at);
  return "";
}

}  // namespace

std::string run_scenario(const std::filesystem::path& file) {
  const Story story = read(file);
  if (!story.problem.empty()) return story.problem;
  std::string failures;
  for (uint64_t seed = story.seeds.first; seed < story.seeds.second; ++seed) {
    World world = story.world;
    world.seed = seed;
    Fleet fleet(world, story.policy);
    fleet.releases = story.releases;
    for (const auto& [at, words] : story.timeline) {
      fleet.at(at, [&failures, words = words](Fleet& f) {
        if (!perform(f, words)) failures += "not understood: at … " + words[0] + "\n";
      });
    }
    fleet.run_until(story.end);
    std::string wrong;
    for (const auto& expectation : story.expectations) {
      if (auto problem = check(fleet, expectation); !problem.empty()) {
        std::string line;
        for (const auto& word : expectation) line += " " + word;
        wrong += fmt::format("seed {}: expect{}: {}\n", seed, line, problem);
      }
    }
    if (!wrong.empty()) failures += wrong + "  what happened:" + told(fleet) + "\n";
  }
  return failures;
}

}  // namespace serin::sim
