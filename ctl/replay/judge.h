#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/core/fold.h"
#include "aggregator/render/render.h"
#include "ctl/replay/lines.h"
#include "schema/capture.h"

// Captures through the same fold that the aggregator runs. Nothing here adds time or order of its
// own: the same lines give the same verdicts at the same capture times.

namespace serin::ctl {

/// What became of one file, or of several that were merged.
struct Judged {
  std::vector<render::Replay::Deploy> deploys;  ///< in the order in which they opened
  uint64_t lines = 0;                           ///< that were judged
  std::vector<render::Replay::Skipped> skipped;
  uint64_t skipped_lines = 0;  ///< also those beyond what `skipped` names
  bool read = true;            ///< false: nothing of it could be read
};

/// How far a replay is: written by its threads, read by whoever tells people.
struct Progress {
  std::atomic<uint64_t> bytes = 0;  ///< taken from the files as they lie there
  std::atomic<size_t> files = 0;    ///< judged to their end
};
/// "12 of 40 files, 310 of 900 MB (34 %), 45 MB/s, about 13 s more"; `total` 0: not known.
std::string progress_line(const Progress& progress, size_t files, uint64_t total, double seconds);

/// The messages of one capture, in its order; what cannot be read is set down and left out.
class Messages {
 public:
  /// A whole file of garbage must not fill the memory with its errors.
  static constexpr size_t kMostNamed = 1000;

  Messages(std::string file, Judged& into, Progress& progress);
  /// Nothing at the end.
  std::optional<capture::Line> next();

 private:
  void skip(std::string error);

  std::string file_;
  Judged& into_;
  std::optional<LineReader> lines_;
  uint64_t named_ = 0;
};

/// One fold over messages. `given` replaces every policy that the messages bring.
class Judge {
 public:
  explicit Judge(const std::optional<PolicySet>& given)
      : fold_(given.value_or(PolicySet{})), keeps_policy_(given.has_value()) {}

  /// Effects are dropped: in a replay nobody obeys.
  void take(capture::Line line);
  [[nodiscard]] const core::Fold& fold() const { return fold_; }
  /// With their metrics, but neither series nor timeline: a thousand captures may be judged at
  /// once.
  [[nodiscard]] std::vector<core::DeployView> deploys() const;

 private:
  core::Fold fold_;
  bool keeps_policy_;
};

Judged judge_file(const std::string& file, const std::optional<PolicySet>& given,
                  Progress& progress);
/// Parts of one stream: merged by stored time, then sequence; each file's own order stays.
Judged judge_together(const std::vector<std::string>& files, const std::optional<PolicySet>& given,
                      Progress& progress);
/// Each apart, as many at once as the machine has processors; the results in the order of the
/// files. Files are streamed: memory grows with hosts and deploys, not with the length of a file.
std::vector<Judged> judge_apart(const std::vector<std::string>& files,
                                const std::optional<PolicySet>& given, Progress& progress);

}  // namespace serin::ctl
