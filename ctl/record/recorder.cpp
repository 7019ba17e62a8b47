#include "ctl/record/recorder.h"

#include <fmt/core.h>

#include <thread>
#include <utility>

#include "ctl/show/words.h"
#include "schema/text.h"

namespace serin::ctl {
namespace {

using std::chrono::milliseconds;

constexpr size_t kBatch = 500;
constexpr uint64_t kMostNamed = 10;  // unreadable messages; all are counted
constexpr size_t kMostWords = 500;
constexpr milliseconds kPatience{100};  // for one message; also how late an end may be noticed
constexpr milliseconds kPause{250};     // between two looks for a server that is away
constexpr milliseconds kBetweenProgress{500};
/// While ending: a server that says nothing for so long will not say more.
constexpr milliseconds kEndPatience{3000};
/// --until-idle is for scripts: without a server they want an end, not a wait.
constexpr milliseconds kIdlePatience{10'000};

}  // namespace

Recorder::Recorder(StreamAccess& stream, Options options, Write write,
                   const std::atomic<bool>& ends, Console& console)
    : stream_(stream),
      options_(options),
      write_(std::move(write)),
      ends_(ends),
      console_(console) {}

Recorder::Outcome Recorder::run() {
  while (!gave_up()) {
    const auto extent = stream_.extent();
    if (!extent) {
      if (told_to_end() && !outcome_.answered) break;
      say_once(extent.error().message);
      wait();
      continue;
    }
    outcome_.answered = true;
    said_.clear();
    if (!begin(*extent)) break;
    if (reached_end(*extent)) {
      outcome_.complete = true;
      break;
    }
    auto reader = stream_.read_after(position_);
    if (!reader) {
      say_once(reader.error().message);
      wait();
      continue;
    }
    if (follow(*reader) == Next::done) break;
  }
  return outcome_;
}

bool Recorder::told_to_end() {
  const bool over = options_.seconds &&
                    Clock::now() - begun_at_ >= std::chrono::duration<double>(*options_.seconds);
  if (!ends_ && !over) return false;
  if (heard_ == Clock::time_point{}) heard_ = Clock::now();
  return true;
}

/// The first time: finds the place to begin at. Later: sees whether it is still the same stream.
/// False when nothing can be written any more.
bool Recorder::begin(const StreamAccess::Extent& extent) {
  if (!begun_) {
    begun_ = true;
    if (options_.until_idle) end_ = extent.last;
    if (!options_.from_start && !options_.until_idle) {
      position_ = extent.last;
      write_policy_in_force(extent.last);
      write_warmups_known(extent.last);
    }
  } else if (extent.created != created_ || extent.last < position_) {
    complain(console_, fmt::format("the stream is another one than before (it ends at {}, {} was "
                                   "read): recording goes on with its beginning",
                                   extent.last, position_));
    position_ = 0;
    if (end_) end_ = extent.last;
  }
  created_ = extent.created;
  if (!end_ && told_to_end()) end_ = extent.last;
  return outcome_.trouble.empty();
}

/// Without it a replay would judge by the default policy.
void Recorder::write_policy_in_force(uint64_t up_to) {
  const auto policy = stream_.last_policy();
  if (!policy) {
    complain(console_, fmt::format("the policy in force could not be read ({}); a replay of this "
                                   "capture needs --policy",
                                   policy.error().message));
    return;
  }
  if (*policy && (*policy)->seq <= up_to) write(**policy);
}

/// Without them a replay would judge by the default margins.
void Recorder::write_warmups_known(uint64_t up_to) {
  const auto warmups = stream_.last_warmups(up_to);
  if (!warmups) {
    complain(console_, fmt::format("what is known of warm-ups could not be read ({}); a replay of "
                                   "this capture may judge by other margins",
                                   warmups.error().message));
    return;
  }
  for (const auto& line : *warmups) write(line);
}

bool Recorder::reached_end(const StreamAccess::Extent& extent) {
  return end_ && (position_ >= *end_ || extent.first > *end_);
}

Recorder::Next Recorder::follow(StreamAccess::Reader& reader) {
  for (;;) {
    // Where the stream ends now has to be asked for: a new look, and a reader from there.
    if (!end_ && told_to_end()) return Next::open_anew;
    if (gave_up()) return Next::done;
    StreamAccess::Reader::Message message;
    const auto got = reader.next(kBatch, kPatience, message);
    if (got == StreamAccess::Reader::Got::lost) {
      wait();
      return Next::open_anew;
    }
    if (got == StreamAccess::Reader::Got::message && take(message) == Next::done) return Next::done;
    say_progress();
  }
}

Recorder::Next Recorder::take(const StreamAccess::Reader::Message& message) {
  const auto& about = message.about;
  if (end_ && about.stream_sequence > *end_) {
    outcome_.complete = true;
    return Next::done;
  }
  position_ = about.stream_sequence;
  if (end_) heard_ = Clock::now();
  const auto line = line_of(message.raw.get(), about.stream_sequence, about.stored_us);
  if (!line) {
    leave_out(message, line.error().message);
  } else if (write(*line) == Next::done) {
    return Next::done;
  }
  if (!end_ || position_ < *end_) return Next::go_on;
  outcome_.complete = true;
  return Next::done;
}

void Recorder::leave_out(const StreamAccess::Reader::Message& message, const std::string& why) {
  if (++outcome_.unreadable > kMostNamed) return;
  complain(console_, plain_text(fmt::format("message {} on {} is none of Serin's: {}",
                                            message.about.stream_sequence,
                                            natsMsg_GetSubject(message.raw.get()), why),
                                kMostWords));
}

Recorder::Next Recorder::write(const capture::Line& line) {
  if (auto written = write_(capture::format(line) + "\n"); !written) {
    outcome_.trouble = written.error().message;
    return Next::done;
  }
  ++outcome_.lines;
  if (outcome_.first == 0) outcome_.first = line.seq;
  outcome_.last = line.seq;
  return Next::go_on;
}

bool Recorder::gave_up() {
  const auto now = Clock::now();
  if (options_.until_idle && !outcome_.answered && now - begun_at_ > kIdlePatience) return true;
  return told_to_end() && now - heard_ > kEndPatience;
}

void Recorder::wait() {
  if (!told_to_end() || outcome_.answered) std::this_thread::sleep_for(kPause);
}

/// The same trouble, tried four times a second, is told once.
void Recorder::say_once(const std::string& trouble) {
  if (std::exchange(said_, trouble) != trouble) complain(console_, trouble);
}

void Recorder::say_progress() {
  const auto now = Clock::now();
  if (now - progress_at_ < kBetweenProgress) return;
  progress_at_ = now;
  console_.progress(
      fmt::format("{} messages recorded, up to {}", grouped(outcome_.lines), grouped(position_)));
}

}  // namespace serin::ctl
