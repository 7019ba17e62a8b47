#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"

/// The log of a program: lines on standard error, which systemd's journal keeps (target serin_log).
/// May be called from any thread. A logging library would cost each agent half a megabyte.
namespace serin::log {

enum class Level { debug, info, warning, error, off };

/// "debug", "info", "warning", "error" or "off".
Result<Level> level_from(std::string_view name);

/// Once, at start. Without it, info and above are written too.
void set_up(std::string_view program, Level level);
[[nodiscard]] bool enabled(Level level);
/// One line; line ends and other control characters inside are shown as \xXX, so that nobody can
/// forge a line.
void write(Level level, std::string_view text);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning))
    write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

/// Lets one message a minute through for each key and counts the rest. One thread.
///   if (const auto more = limit_.pass("torn sample", now_us)) log::warning("… ({} more)", *more);
class RateLimited {
 public:
  static constexpr int64_t kEveryUs = 60'000'000;
  /// Keys kept; a stranger may choose what keys are made of (hosts, paths). All further keys share
  /// one.
  static constexpr size_t kMostKeys = 256;

  /// How many were held back since the last that passed; nothing when this one is held back as
  /// well.
  [[nodiscard]] std::optional<uint64_t> pass(std::string_view key, int64_t now_us);

 private:
  struct Seen {
    int64_t passed_us = 0;
    uint64_t held_back = 0;
  };
  std::map<std::string, Seen, std::less<>> keys_;
};

}  // namespace serin::log
