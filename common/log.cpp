#include "common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <memory>
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

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      break;
  }
  return spdlog::level::off;
}

/// The program's own logger: writing must not depend on what a library does to spdlog's default
/// one.
std::shared_ptr<spdlog::logger>& logger() {
  static auto made = [] {
    auto plain = std::make_shared<spdlog::logger>(
        "serin", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    plain->flush_on(spdlog::level::debug);
    return plain;
  }();
  return made;
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
  // Times in UTC, as every other time that Serin shows.
  logger()->set_pattern(fmt::format("%Y-%m-%dT%H:%M:%S.%eZ %l {}: %v", program),
                        spdlog::pattern_time_type::utc);
  logger()->set_level(to_spdlog(level));
}

bool enabled(Level level) {
  return level != Level::off && logger()->should_log(to_spdlog(level));
}

void write(Level level, std::string_view text) {
  if (enabled(level)) logger()->log(to_spdlog(level), spdlog::string_view_t(one_line(text)));
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
