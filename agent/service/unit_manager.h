#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace serin::agent {

/// A property that somebody wants beside what every word holds.
struct UnitText {
  std::string property;
  std::optional<std::vector<std::string>> values{};  ///< absent: there is none, or it is no text
};

/// What the unit manager says of one unit at one moment; names as in systemd's D-Bus interface.
/// Times are µs; 0 or empty: never, none.
struct UnitWord {
  /// How far it can be relied on. A signal tells at once, but not everything (no cgroup), and shows
  /// what lasts only an instant: systemd passes through `failed` before every automatic restart.
  enum class Whence {
    signal,   ///< what a change said, put over what was known
    read,     ///< all properties, read in one go
    settled,  ///< the same, at least 20 ms after the last change
  } whence = Whence::settled;

  std::string unit;        ///< as it was asked for
  std::string load_state;  ///< loaded, not-found, masked, bad-setting, error
  std::string load_error;
  std::string active_state;  ///< active, reloading, inactive, failed, activating, deactivating
  std::string sub_state;
  std::string result;         ///< success, exit-code, signal, core-dump, timeout, oom-kill …
  std::string invocation;     ///< 32 hex digits; empty: not started since it was loaded
  std::string cgroup;         ///< from the hierarchy's root
  std::vector<UnitText> texts;  ///< as of the last reading, not of a signal
  int32_t main_pid = 0;       ///< the living main process
  int32_t last_main_pid = 0;  ///< the last one, living or not
  int32_t exit_kind = 0;      ///< CLD_EXITED, CLD_KILLED or CLD_DUMPED once that one has ended
  int32_t exit_value = 0;     ///< its status or signal
  uint32_t restarts = 0;      ///< automatic ones since the last start by hand
  int64_t main_start_wall_us = 0;
  /// CLOCK_MONOTONIC.
  uint64_t main_start_us = 0, main_exit_us = 0, active_exit_us = 0, state_change_us = 0;

  [[nodiscard]] bool is_active() const {
    return active_state == "active" || active_state == "reloading";
  }
};

/// Where words about units come from: the seam between systemd and what follows from its words.
/// All on the loop's thread; words come from the loop, never from within follow() or ask().
class UnitManager {
 public:
  using Says = std::function<void(const UnitWord&)>;
  virtual ~UnitManager() = default;
  /// From now on a word of this unit whenever something changes, in order; the first one soon, and
  /// again whenever the manager comes back after it was away. `says` must stay callable as long as
  /// this lives.
  virtual void follow(const std::string& unit, Says says) = 0;
  /// From now on the words of this unit hold this property too (UnitWord::texts).
  virtual void want(const std::string& /*unit*/, const std::string& /*property*/) {}
  /// Asks for a word now.
  virtual void ask(const std::string& unit) = 0;
  /// Why nothing is heard at present, and what to do; empty when all is well.
  [[nodiscard]] virtual const std::string& problem() const = 0;
};

}  // namespace serin::agent
