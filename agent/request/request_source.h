#pragma once

#include <uv.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/request/tally.h"
#include "agent/request/timeline.h"
#include "common/service_file.h"
#include "schema/messages.h"

namespace serin::agent {

/// Something that tells of a service's requests: a log, a socket, a scraped page. Counts them into
/// the spans of the service's timeline. On the loop's thread.
class RequestSource {
 public:
  virtual ~RequestSource() = default;

  /// Where requests that come in between two polls are counted; both outlive the source.
  virtual void start(const Timeline& /*timeline*/, Tallies& /*tallies*/) {}
  /// Counts what is there by now. `now_us`: wall clock.
  virtual void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) = 0;
  /// What was polled so far has been handed on: remembers the place for the next start of the
  /// agent.
  virtual void commit(uint64_t /*boot_us*/) {}
  /// When the agent before this one last committed, CLOCK_BOOTTIME of this boot; absent when
  /// unknown.
  [[nodiscard]] virtual std::optional<uint64_t> resumed_from_us() const { return std::nullopt; }
  /// False where something is missing from what the last poll counted: then what was not counted
  /// must not be taken for what did not happen.
  [[nodiscard]] virtual bool is_complete() const { return true; }
  /// Lines, datagrams and values that could not be used, since the start.
  [[nodiscard]] virtual uint64_t skipped() const = 0;
  /// Why nothing can be read at the moment; empty when all is well.
  [[nodiscard]] virtual std::string problem() const = 0;
  /// False: it is there for the business alone.
  [[nodiscard]] virtual bool counts_requests() const { return true; }
  /// Why requests without a duration are all that comes; empty when they have one.
  [[nodiscard]] virtual std::string no_latency() const = 0;
  /// Does it tell how much the answers held?
  [[nodiscard]] virtual bool knows_sizes() const { return false; }
};

class Datagrams;

/// What sources live on beside the service's file.
struct SourceSetting {
  std::optional<std::filesystem::path> state_dir;  ///< absent: nothing is kept over a restart
  std::string boot_id;
  Datagrams* datagrams =
      nullptr;  ///< outlives the sources; absent: sources that need it are refused
  std::function<int64_t()> wall_us;
  uv_loop_t* loop = nullptr;
};

/// The source of `service.requests[index]`. Errors are those of the configuration.
Result<std::unique_ptr<RequestSource>> make_request_source(const ServiceFile& service, size_t index,
                                                           const SourceSetting& setting);

}  // namespace serin::agent
