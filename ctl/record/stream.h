#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/bus/pull_reader.h"
#include "common/bus/connection.h"
#include "ctl/settings.h"
#include "schema/capture.h"

namespace serin::ctl {

/// SERIN_INPUT for one reader: a connection that comes back by itself, where the stream begins and
/// ends, and its messages from a place on. Only what the `observer` credentials allow.
class StreamAccess {
 public:
  explicit StreamAccess(const Settings& settings);
  ~StreamAccess();
  StreamAccess(const StreamAccess&) = delete;
  StreamAccess& operator=(const StreamAccess&) = delete;

  struct Extent {
    uint64_t first = 0, last = 0;  ///< `first` is behind `last` while nothing is kept
    int64_t created = 0;
  };
  /// Asks the server. An error while it is away, or while there is no such stream.
  Result<Extent> extent();

  using Reader = aggregator::PullReader;
  Result<Reader> read_after(uint64_t sequence);

  /// The newest policy message, and nothing where there is none.
  Result<std::optional<capture::Line>> last_policy();
  /// The newest message of each service about its warm-up, as of stream sequence `up_to`.
  Result<std::vector<capture::Line>> last_warmups(uint64_t up_to);

 private:
  class Listener;

  Result<std::shared_ptr<aggregator::Session>> session();
  std::string why(natsStatus status) const;

  bus::ConnectionOptions options_;
  std::shared_ptr<Listener> listener_;
  std::shared_ptr<aggregator::Session> session_;
};

/// A message of the stream as a line of a capture.
Result<capture::Line> line_of(natsMsg* message, uint64_t sequence, int64_t stored_us);

}  // namespace serin::ctl
