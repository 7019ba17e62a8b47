#pragma once

namespace serin::ctl {

/// What `serinctl` ends with; pipelines go by it.
enum class Exit : int {
  done = 0,
  failed = 1,   ///< it did not work; `gate`: stop
  not_yet = 2,  ///< `gate`: not yet; nobody answered
  partly = 3,   ///< done but for what was reported
  usage = 64,
  not_allowed = 77,
};

}  // namespace serin::ctl
