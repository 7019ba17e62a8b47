#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>

#include "aggregator/render/time.h"
#include "ctl/policy_file.h"
#include "ctl/replay/judge.h"
#include "ctl/run.h"
#include "ctl/show/explain.h"
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

constexpr size_t kMostExplained = 5;  // more would bury the table

std::string table_of(const render::Replay& replay, bool explain_all) {
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
  const bool explains = explain_all || replay.deploys.size() <= kMostExplained;
  for (const auto& [deploy, file] : replay.deploys) {
    const bool judged = !deploy.verdict.empty() && !deploy.reason.text.empty();
    if (judged) out += fmt::format("{}: {}\n", deploy.id, deploy.reason.text);
    if (explains) out += (judged ? "" : deploy.id + ": no verdict yet\n") + compared(deploy);
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

uint64_t size_of(const std::vector<std::string>& files) {
  uint64_t total = 0;
  for (const std::string& file : files) {
    std::error_code unknown;
    const auto size = file == "-" ? 0 : std::filesystem::file_size(file, unknown);
    if (file == "-" || unknown) return 0;
    total += size;
  }
  return total;
}

/// Judges beside the thread that tells people how far it is.
std::vector<Judged> judge_all(const ReplayCommand& command, const std::optional<PolicySet>& given,
                              Console& console) {
  using namespace std::chrono;
  constexpr milliseconds kTold{500};  // shorter work needs no progress
  Progress progress;
  auto work = std::async(std::launch::async, [&] {
    if (!command.together) return judge_apart(command.files, given, progress);
    std::vector<Judged> all;
    all.push_back(judge_together(command.files, given, progress));
    return all;
  });
  const uint64_t total = size_of(command.files);
  const auto begun = steady_clock::now();
  while (work.wait_for(kTold) != std::future_status::ready) {
    const std::string line = progress_line(progress, command.files.size(), total,
                                           duration<double>(steady_clock::now() - begun).count());
    command.progress ? console.err(line + "\n") : console.progress(line);
  }
  return work.get();
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
  std::vector<Judged> all = judge_all(command, given, console);
  render::Replay replay;
  uint64_t skipped_lines = 0;
  for (Judged& judged : all) {
    std::ranges::move(judged.deploys, std::back_inserter(replay.deploys));
    std::ranges::move(judged.skipped, std::back_inserter(replay.skipped));
    replay.lines += judged.lines;
    skipped_lines += judged.skipped_lines;
  }
  console.out(common.output == Output::json ? render::replay(replay) + "\n"
                                            : table_of(replay, command.explain));
  complain_of(replay, skipped_lines, console);
  if (std::ranges::none_of(all, &Judged::read)) return Exit::failed;
  return replay.skipped.empty() ? Exit::done : Exit::partly;
}

}  // namespace serin::ctl
