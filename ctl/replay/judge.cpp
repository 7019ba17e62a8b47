#include "ctl/replay/judge.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace serin::ctl {

Messages::Messages(std::string file, Judged& into, Progress& progress)
    : file_(std::move(file)), into_(into) {
  auto bytes = open_bytes(file_, &progress.bytes);
  if (bytes) {
    lines_.emplace(std::move(*bytes));
    return;
  }
  into_.read = false;
  into_.skipped.push_back({.file = file_, .line = 0, .error = bytes.error().message});
}

std::optional<capture::Line> Messages::next() {
  std::string_view text;
  while (lines_) {
    switch (lines_->next(text)) {
      case LineReader::Got::line:
        if (text.find_first_not_of(" \t\r") == text.npos) continue;
        if (auto line = capture::parse(text)) {
          ++into_.lines;
          return std::move(*line);
        } else {
          skip(line.error().message);
        }
        continue;
      case LineReader::Got::too_long:
        skip(fmt::format("the line is longer than {} bytes", LineReader::kMostLineBytes));
        continue;
      case LineReader::Got::broken:
        skip(fmt::format("the file cannot be read on: {}", lines_->error()));
        continue;
      case LineReader::Got::end:
        lines_.reset();
    }
  }
  return std::nullopt;
}

void Messages::skip(std::string error) {
  ++into_.skipped_lines;
  if (++named_ < kMostNamed) {
    into_.skipped.push_back({.file = file_, .line = lines_->number(), .error = std::move(error)});
  } else if (named_ == kMostNamed) {
    into_.skipped.push_back({.file = file_,
                             .line = lines_->number(),
                             .error = error + "; further lines that were skipped are not listed"});
  }
}

void Judge::take(capture::Line line) {
  const auto* control = std::get_if<Control>(&line.body);
  if (keeps_policy_ && control != nullptr && control->kind == ControlKind::policy) {
    // It still moves time, as it did when it was stored.
    line.body = Control{.kind = ControlKind::clock};
  }
  fold_.step({.seq = line.seq, .stored_us = line.stored_us, .body = std::move(line.body)});
}

std::vector<core::DeployView> Judge::deploys() const {
  auto views = fold_.deploys();
  std::ranges::reverse(views);
  for (auto& view : views) {
    view = *fold_.deploy(view.id);
    view.timeline.clear();
    for (auto& metric : view.metrics) {
      metric.series.clear();
      metric.series.shrink_to_fit();
    }
  }
  return views;
}

namespace {

void conclude(const Judge& judge, const std::string& file, Judged& into) {
  for (auto& view : judge.deploys()) into.deploys.push_back({std::move(view), file});
}

}  // namespace

std::string progress_line(const Progress& progress, size_t files, uint64_t total, double seconds) {
  constexpr double kMegabyte = 1e6;
  const auto done = static_cast<double>(progress.bytes), all = static_cast<double>(total);
  std::string line = fmt::format("{} of {} file{}, {:.0f} ", progress.files.load(), files,
                                 files == 1 ? "" : "s", done / kMegabyte);
  line += total == 0 ? "MB"
                     : fmt::format("of {:.0f} MB ({:.0f} %)", all / kMegabyte,
                                   100 * std::min(done / all, 1.0));
  if (seconds <= 0 || done <= 0) return line;
  line += fmt::format(", {:.1f} MB/s", done / kMegabyte / seconds);
  if (all > done) line += fmt::format(", about {:.0f} s more", (all - done) / done * seconds);
  return line;
}

Judged judge_file(const std::string& file, const std::optional<PolicySet>& given,
                  Progress& progress) {
  Judged judged;
  Messages messages(file, judged, progress);
  Judge judge(given);
  while (auto line = messages.next()) judge.take(std::move(*line));
  conclude(judge, file, judged);
  ++progress.files;
  return judged;
}

Judged judge_together(const std::vector<std::string>& files, const std::optional<PolicySet>& given,
                      Progress& progress) {
  Judged judged;
  struct Part {
    Messages messages;
    std::optional<capture::Line> head;
  };
  std::vector<Part> parts;
  size_t unread = 0;
  parts.reserve(files.size());
  for (const std::string& file : files) {
    judged.read = true;
    Part part{Messages(file, judged, progress), std::nullopt};
    if (!judged.read) ++unread;
    part.head = part.messages.next();
    parts.push_back(std::move(part));
  }
  Judge judge(given);
  for (;;) {
    Part* earliest = nullptr;
    for (Part& part : parts) {
      if (!part.head) continue;
      const auto place = [](const Part& p) { return std::pair(p.head->stored_us, p.head->seq); };
      if (earliest == nullptr || place(part) < place(*earliest)) earliest = &part;
    }
    if (earliest == nullptr) break;
    judge.take(std::move(*earliest->head));
    earliest->head = earliest->messages.next();
    if (!earliest->head) ++progress.files;
  }
  judged.read = unread < files.size();
  conclude(judge, fmt::format("{}", fmt::join(files, ",")), judged);
  return judged;
}

std::vector<Judged> judge_apart(const std::vector<std::string>& files,
                                const std::optional<PolicySet>& given, Progress& progress) {
  std::vector<Judged> results(files.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < files.size(); i = next++) {
      results[i] = judge_file(files[i], given, progress);
    }
  };
  const size_t wanted = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::jthread> pool;
  for (size_t i = 1; i < std::min(wanted, files.size()); ++i) pool.emplace_back(work);
  work();
  pool.clear();  // joins
  return results;
}

}  // namespace serin::ctl
