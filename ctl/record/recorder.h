#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ctl/console.h"
#include "ctl/record/stream.h"

namespace serin::ctl {

/// Writes what SERIN_INPUT holds as lines of a capture, in the stream's order, each message once:
/// through reconnects and restarts of the server it goes on behind the last line that was written.
/// One thread.
class Recorder {
 public:
  struct Options {
    bool from_start = false;  ///< from the oldest message that is kept; else from now on
    bool until_idle = false;  ///< ends when all that is stored by now is written
    std::optional<double> seconds;
  };
  using Write = std::function<Result<void>(std::string_view line)>;

  struct Outcome {
    uint64_t lines = 0;
    uint64_t unreadable = 0;  ///< messages that are none of ours; the aggregator drops them too
    uint64_t first = 0, last = 0;  ///< stream sequences
    bool answered = false;         ///< the stream was seen at all
    bool complete = false;         ///< up to where the stream ended when it was told to end
    std::string trouble;           ///< what could not be written
  };

  /// `ends` may be set at any time, by a signal too: then what is stored at that moment is still
  /// written.
  Recorder(StreamAccess& stream, Options options, Write write, const std::atomic<bool>& ends,
           Console& console);

  Outcome run();

 private:
  using Clock = std::chrono::steady_clock;

  /// What to do next.
  enum class Next { go_on, open_anew, done };

  bool told_to_end();
  bool begin(const StreamAccess::Extent& extent);
  void write_policy_in_force(uint64_t up_to);
  void write_warmups_known(uint64_t up_to);
  Next follow(StreamAccess::Reader& reader);
  Next take(const StreamAccess::Reader::Message& message);
  void leave_out(const StreamAccess::Reader::Message& message, const std::string& why);
  Next write(const capture::Line& line);
  bool reached_end(const StreamAccess::Extent& extent);
  bool gave_up();
  void wait();
  void say_once(const std::string& trouble);
  void say_progress();

  StreamAccess& stream_;
  const Options options_;
  const Write write_;
  const std::atomic<bool>& ends_;
  Console& console_;
  const Clock::time_point begun_at_ = Clock::now();

  Outcome outcome_;
  bool begun_ = false;
  uint64_t position_ = 0;        ///< the last sequence that was dealt with
  int64_t created_ = 0;          ///< tells a stream from another with the same name
  std::optional<uint64_t> end_;  ///< the sequence to end behind
  Clock::time_point heard_{};    ///< while ending: the last time that something came
  Clock::time_point progress_at_{};
  std::string said_;
};

}  // namespace serin::ctl
