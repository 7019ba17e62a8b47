#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "aggregator/core/fold.h"
#include "schema/capture.h"

// How many captures of each family of regressions are found, by which metric, and how soon.
// A folder of captures is a family; its name says what is wrong in it.

namespace serin::bench {
namespace {

namespace fs = std::filesystem;

struct Family {
  std::string_view name;                  ///< a folder's name begins with it
  std::vector<std::string_view> reasons;  ///< what may be blamed; a metric or a guardrail
};

/// Families whose name is not here are harmless: nothing may be blamed.
const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"errors", {"errors"}},       {"latency", {"latency_"}},
      {"tail", {"latency_"}},       {"bimodal", {"latency_"}},
      {"hang", {"latency_"}},       {"orders", {"orders"}},
      {"fd_leak", {"fds"}},         {"leak", {"rss_bytes"}},
      {"cpu", {"cpu_per_request"}}, {"crash_loop", {"restarts", "crash_loop"}},
  };
  return all;
}

struct Outcome {
  std::string verdict, metric;
  double seconds = 0;  ///< from the deploy's start
};

std::optional<Outcome> replay(const fs::path& file, double inflation) {
  core::Fold fold(PolicySet{}, inflation);
  std::ifstream in(file);
  for (std::string text; std::getline(in, text);) {
    auto line = capture::parse(text);
    if (!line) return std::nullopt;
    fold.step({.seq = line->seq, .stored_us = line->stored_us, .body = std::move(line->body)});
  }
  const auto deploys = fold.deploys();
  if (deploys.empty()) return Outcome{.verdict = "no deploy", .metric = {}};
  const auto& first = deploys.back();
  return Outcome{.verdict = first.verdict.empty() ? "none yet" : first.verdict,
                 .metric = first.reason.metric,
                 .seconds = static_cast<double>(first.decided_us - first.opened_us) / 1e6};
}

struct Table {
  std::vector<double> right;
  std::map<std::string, size_t> wrong;   ///< rollbacks for another reason
  std::map<std::string, size_t> others;  ///< verdicts that are no rollback
  size_t files = 0, unread = 0;
};

const Family* family_of(std::string_view folder) {
  const auto& all = families();
  const auto at =
      std::ranges::find_if(all, [&](const Family& f) { return folder.starts_with(f.name); });
  return at == all.end() ? nullptr : &*at;
}

Table judge(const std::vector<fs::path>& files, const Family* family, double inflation,
            size_t threads) {
  std::vector<std::optional<Outcome>> outcomes(files.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < files.size(); i = next++) outcomes[i] = replay(files[i], inflation);
  };
  {
    std::vector<std::jthread> pool;
    for (size_t i = 0; i < threads; ++i) pool.emplace_back(work);
  }
  Table table{.right = {}, .wrong = {}, .others = {}, .files = files.size()};
  for (const auto& outcome : outcomes) {
    if (!outcome) {
      ++table.unread;
      continue;
    }
    const bool right = family && std::ranges::any_of(family->reasons, [&](std::string_view reason) {
                         return outcome->metric.starts_with(reason);
                       });
    if (outcome->verdict != "rollback") {
      ++table.others[outcome->verdict];
    } else if (right) {
      table.right.push_back(outcome->seconds);
    } else {
      ++table.wrong[outcome->metric];
    }
  }
  std::ranges::sort(table.right);
  return table;
}

std::string quantile(const std::vector<double>& sorted, size_t all, double q) {
  const auto at = static_cast<size_t>(q * static_cast<double>(all));
  return at < sorted.size() ? fmt::format("{:.0f}", sorted[at]) : "-";  // "-": never found
}

std::string counts(const std::map<std::string, size_t>& of) {
  std::string out;
  for (const auto& [what, count] : of)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, what);
  return out.empty() ? "-" : out;
}

void say(const std::string& folder, double inflation, const Table& table) {
  const double share = 100.0 * static_cast<double>(table.right.size()) /
                       static_cast<double>(std::max<size_t>(table.files, 1));
  fmt::print("| {} | {:g} | {} | {:.0f} % | {} | {} | {} | {} |\n", folder, inflation, table.files,
             share, quantile(table.right, table.files, 0.5),
             quantile(table.right, table.files, 0.95), counts(table.wrong), counts(table.others));
  if (table.unread > 0)
    fmt::print(stderr, "{}: {} captures could not be read\n", folder, table.unread);
}

int usage() {
  fmt::print(
      stderr,
      "usage: serin-bench-families [--inflation X]… [--most N] [--threads N] FOLDER…\n"
      "  Each FOLDER holds the captures of one family (errors, latency, tail, bimodal, hang,\n"
      "  orders, leak, fd_leak, cpu, crash_loop; any other name: harmless).\n");
  return 2;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || !(value > 0)) return std::nullopt;
  return value;
}

}  // namespace

int run(const std::vector<std::string_view>& arguments) {
  std::vector<double> inflations;
  std::vector<fs::path> folders;
  double most = 1e9, threads = 2;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (!word.starts_with("--")) {
      folders.emplace_back(word);
      continue;
    }
    const auto value = i + 1 < arguments.size() ? number(arguments[++i]) : std::nullopt;
    if (!value) return usage();
    if (word == "--inflation") {
      inflations.push_back(*value);
    } else if (word == "--most") {
      most = *value;
    } else if (word == "--threads") {
      threads = *value;
    } else {
      return usage();
    }
  }
  if (folders.empty()) return usage();
  if (inflations.empty()) inflations.push_back(judge::kInflation);
  fmt::print(
      "| family | inflation | captures | found | median s | p95 s | wrong reasons | no rollback "
      "|\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  for (const auto& folder : folders) {
    std::vector<fs::path> files;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder, failed)) {
      if (entry.path().extension() == ".ndjson") files.push_back(entry.path());
    }
    if (failed || files.empty()) {
      fmt::print(stderr, "{}: no captures there\n", folder.string());
      return 1;
    }
    std::ranges::sort(files);
    files.resize(std::min(files.size(), static_cast<size_t>(most)));
    const std::string name = (folder / "").parent_path().filename();
    for (const double inflation : inflations) {
      say(name, inflation, judge(files, family_of(name), inflation, static_cast<size_t>(threads)));
    }
  }
  return 0;
}

}  // namespace serin::bench

int main(int argc, char** argv) {
  return serin::bench::run({argv + 1, argv + argc});
}
