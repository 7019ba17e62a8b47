#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

// How a service warms up after a restart, learnt from its earlier ones. By age of the process:
// requests, bad ones among them, and how many would have been bad on a host that was not
// restarted. "Bad" is an error, or slower than one of four usual quantiles: the judge's own
// streams, so that what is learnt needs no translation. Pure; a few kilobytes.

namespace serin::judge {

enum class WarmupStream : uint8_t { errors, latency_p50, latency_p90, latency_p99, latency_p999 };
inline constexpr size_t kWarmupStreams = 5;

/// Ages in seconds; bin i covers [i, i + 1). Narrow where warming up is quick.
inline constexpr std::array<double, 14> kWarmupAges = {0,  1,  2,  3,  5,  8,   12,
                                                       20, 30, 45, 60, 90, 120, 200};
inline constexpr size_t kWarmupBins = kWarmupAges.size() - 1;
/// Bin of an age in seconds; kWarmupBins beyond the last.
size_t warmup_bin(double age_seconds);

struct WarmupCount {
  double requests = 0, bad = 0;
  double usual = 0;  ///< bad ones that the other hosts at that time, and its own past, would expect
  friend bool operator==(const WarmupCount&, const WarmupCount&) = default;
};
using WarmupCurve = std::array<WarmupCount, kWarmupBins>;

/// What one restarted host did, by stream and age.
using WarmupRestart = std::array<WarmupCurve, kWarmupStreams>;

struct WarmupProfile {
  /// Below so many restarts the default margin is only ever raised. With a variation of 30 % from
  /// restart to restart the next one goes beyond the learnt margin with probability 2.5 % after
  /// one restart, 0.7 % after two, 0.3 % after three, and hardly less after more.
  static constexpr uint32_t kLeastRestarts = 3;
  /// Older restarts fade from memory, as services change: the last forty or so count.
  static constexpr double kForget = 1.0 / 40;

  uint32_t restarts = 0;    ///< seen in all
  double remembered = 0;    ///< of them, older ones in part
  WarmupRestart streams{};  ///< sums over what is remembered
  /// How much the size of the warm-up differs from restart to restart: squared relative deviations
  /// beyond what counts alone scatter, and their weight.
  struct Variation {
    double sum = 0, weight = 0;
    friend bool operator==(const Variation&, const Variation&) = default;
  };
  std::array<Variation, kWarmupStreams> variation{};

  void learn(const WarmupRestart& restart);
  [[nodiscard]] bool enough() const { return restarts >= kLeastRestarts; }
  /// Coefficient of variation from restart to restart; 0.3 until known.
  [[nodiscard]] double variation_of(WarmupStream stream) const;
  /// Usual excess of a process of this bin of age in log odds, never growing with age.
  [[nodiscard]] std::array<double, kWarmupBins> excess(WarmupStream stream) const;

  friend bool operator==(const WarmupProfile&, const WarmupProfile&) = default;
};

/// The margin that a process of some age has, log odds: the default, moved as far as the evidence
/// of earlier restarts demands. That evidence says: what a restart may cost at most is the excess
/// times (1 + t * variation * sqrt(1 + 1/restarts)), with Student's t at three standard deviations,
/// and the excess itself is known to within 95 % on either side.
class WarmupMargin {
 public:
  static constexpr size_t kSeconds = 200;  ///< a warm-up that lasts longer is a change

  /// `fallback(age_seconds)`: the margin without a profile, log odds. `profile` may be null.
  WarmupMargin(const std::function<double(double)>& fallback, const WarmupProfile* profile,
               WarmupStream stream);

  /// Linear between whole seconds; 0 from kSeconds on.
  [[nodiscard]] double at(double age_seconds) const { return read(margin_, age_seconds); }
  /// What restarts have been shown to need at least.
  [[nodiscard]] double shown(double age_seconds) const { return read(shown_, age_seconds); }

 private:
  using Table = std::array<double, kSeconds + 1>;
  static double read(const Table& table, double age_seconds);

  Table margin_{}, shown_{};
};

}  // namespace serin::judge
