#include "common/log.h"

#include <time.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <string>
#include <utility>

namespace serin::log {
namespace {

constexpr std::array<std::pair<std::string_view, Level>, 5> kLevels = {{
    {"debug", Level::debug},
    {"info", Level::info},
    {"warning", Level::warning},
    {"error", Level::error},
    {"off", Level::off},
}};

/// Lines longer than this are cut: the text may quote what a stranger sent.
constexpr size_t kMostLineBytes = 2048;

/// Set once, before there are threads.
std::string& program_name() {
  static std::string name = "serin";
  return name;
}
constinit std::atomic<Level> threshold = Level::info;

std::string_view name_of(Level level) {
  for (const auto& [name, known] : kLevels) {
    if (known == level) return name;
  }
  return "";
}

/// In UTC, as every other time that Serin shows: 2026-11-20T10:00:01.250Z
std::string time_text() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  std::array<char, 32> text{};
  const size_t bytes = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", std::string_view(text.data(), bytes), now.tv_nsec / 1'000'000);
}

std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text.substr(0, kMostLineBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      line += fmt::format("\\x{:02X}", byte);
    } else {
      line += c;
    }
  }
  if (text.size() > kMostLineBytes) line += " …";
  return line;
}

}  // namespace

Result<Level> level_from(std::string_view name) {
  for (const auto& [known, level] : kLevels) {
    if (name == known) return level;
  }
  return fail(
      fmt::format("no log level '{:.40}'; there are debug, info, warning, error and off", name));
}

void set_up(std::string_view program, Level level) {
  program_name() = program;
  threshold = level;
}

bool enabled(Level level) {
  return level != Level::off && level >= threshold.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view text) {
  if (!enabled(level)) return;
  const std::string line =
      fmt::format("{} {} {}: {}\n", time_text(), name_of(level), program_name(), one_line(text));
  std::fwrite(line.data(), 1, line.size(), stderr);  // unbuffered: one write, so lines stay whole
}

std::optional<uint64_t> RateLimited::pass(std::string_view key, int64_t now_us) {
  auto found = keys_.find(key);
  if (found == keys_.end()) {
    const std::string_view kept = keys_.size() < kMostKeys ? key : std::string_view("(others)");
    const auto [place, is_new] = keys_.try_emplace(std::string(kept), Seen{now_us, 0});
    if (is_new) return 0;
    found = place;
  }
  Seen& seen = found->second;
  if (now_us - seen.passed_us < kEveryUs) {
    ++seen.held_back;
    return std::nullopt;
  }
  seen.passed_us = now_us;
  return std::exchange(seen.held_back, 0);
}

}  // namespace serin::log
