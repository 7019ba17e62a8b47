#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "schema/messages.h"

// The capture format: NDJSON, one object a line, times in seconds. `serinctl record` writes it, `replay` reads it.
// A line is a sample, an event ("event": kind) or a control ("control": kind).

namespace serin::capture {

/// One message of the stream with its canonical stored time. `seq` is 0 where the file names none.
struct Line {
  int64_t stored_us = 0;
  uint64_t seq = 0;
  std::variant<Sample, Event, Control> body;
  friend bool operator==(const Line&, const Line&) = default;
};

/// Parses one line. Unknown keys are ignored; a missing or mistyped one is an error that names it.
/// Samples and events without identity (generated captures) get boot id "" and sequence 0.
/// A sample's `t` is the interval's end, `stored` (default t) the stored time; age = stored - t.
Result<Line> parse(std::string_view line);

/// The line without its newline. parse(format(x)) == x for whole-microsecond times.
std::string format(const Line&);

}  // namespace serin::capture
