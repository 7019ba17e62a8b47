#include <fmt/core.h>

#include <algorithm>

#include "aggregator/render/time.h"
#include "ctl/policy_file.h"
#include "ctl/replay/judge.h"
#include "ctl/run.h"
#include "ctl/show/table.h"
#include "ctl/show/words.h"

namespace serin::ctl {
namespace {

constexpr size_t kMostHosts = 4;
constexpr size_t kMostComplaints = 20;  // the JSON holds more

/// Recorded times are seconds since 1970, those of made captures begin near 0.
std::string capture_time(int64_t time_us) {
  constexpr int64_t kYear2001 = 1'000'000'000'000'000;
  if (time_us >= kYear2001) return render::rfc3339(time_us);
  return fmt::format("{:.1f}", static_cast<double>(time_us) / 1e6);
}

std::string table_of(const render::Replay& replay) {
  if (replay.deploys.empty()) return "No deploys.\n";
  Table table({"FILE", "DEPLOY", "SERVICE", "VERSION", "HOSTS", "SEEN AT", "VERDICT", "AFTER",
               "METRIC", "STATE"});
  for (const auto& [deploy, file] : replay.deploys) {
    table.add({file, deploy.id, deploy.service, deploy.version,
               list_of(canary_names(deploy), kMostHosts), capture_time(deploy.opened_us),
               deploy.verdict.empty() ? "none yet" : deploy.verdict,
               deploy.decided_us == 0 ? "-" : seconds_between(deploy.opened_us, deploy.decided_us),
               culprit(deploy), state_name(deploy.state)});
  }
  std::string out = table.text();
  for (const auto& [deploy, file] : replay.deploys) {
    if (deploy.verdict.empty() || deploy.reason.text.empty()) continue;
    out += fmt::format("{}: {}\n", deploy.id, deploy.reason.text);
  }
  return out;
}

void complain_of(const render::Replay& replay, uint64_t skipped_lines, Console& console) {
  for (size_t i = 0; i < std::min(replay.skipped.size(), kMostComplaints); ++i) {
    const auto& skipped = replay.skipped[i];
    complain(console, skipped.line == 0
                          ? skipped.error
                          : fmt::format("{}:{}: {}", skipped.file, skipped.line, skipped.error));
  }
  if (skipped_lines > 0) {
    complain(console, fmt::format("{} lines were skipped, {} were judged", grouped(skipped_lines),
                                  grouped(replay.lines)));
  }
}

}  // namespace

Exit run(const ReplayCommand& command, const Common& common, Console& console) {
  std::optional<PolicySet> given;
  if (command.policy) {
    auto policy = read_policy_file(*command.policy);
    if (!policy) {
      complain(console, policy.error().message);
      return Exit::usage;
    }
    given = std::move(*policy);
  }
  std::vector<Judged> all;
  if (command.together) {
    all.push_back(judge_together(command.files, given));
  } else {
    all = judge_apart(command.files, given);
  }
  render::Replay replay;
  uint64_t skipped_lines = 0;
  for (Judged& judged : all) {
    std::ranges::move(judged.deploys, std::back_inserter(replay.deploys));
    std::ranges::move(judged.skipped, std::back_inserter(replay.skipped));
    replay.lines += judged.lines;
    skipped_lines += judged.skipped_lines;
  }
  console.out(common.output == Output::json ? render::replay(replay) + "\n" : table_of(replay));
  complain_of(replay, skipped_lines, console);
  if (std::ranges::none_of(all, &Judged::read)) return Exit::failed;
  return replay.skipped.empty() ? Exit::done : Exit::partly;
}

}  // namespace serin::ctl
