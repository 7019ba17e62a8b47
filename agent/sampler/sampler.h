#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/facts/fact_book.h"
#include "agent/facts/host_facts.h"
#include "agent/probe/socket_probe.h"
#include "agent/request/datagrams.h"
#include "agent/sampler/agent_self.h"
#include "agent/sampler/service_watch.h"
#include "agent/service/name_watch.h"
#include "common/loop.h"

namespace serin::agent {

/// The agent's loop: one tick on every whole second of the wall clock (so that all hosts cut their
/// intervals alike), passed on to each service, and the host's own heartbeat each 10 s. On the
/// loop's thread.
class Sampler {
 public:
  struct Options {
    uv_loop_t* loop = nullptr;
    const HostClock* clock = nullptr;
    std::string boot_id;
    HelperPort helper;
    std::optional<std::filesystem::path> state_dir;
    UnitManager* units = nullptr;  ///< must outlive the sampler
    FactBooks* facts = nullptr;    ///< the same; null: none are told
    HostRoots roots;               ///< where facts are read
    CgroupRoots cgroups = CgroupRoots::of_this_machine();
    std::optional<std::filesystem::path> metrics_file;  ///< what the agent costs, for Prometheus
  };

  Sampler(Options options, Uplink& uplink);
  ~Sampler();

  /// Adds a service; errors are those of its configuration.
  Result<void> add(ServiceFile service);
  /// First looks, then ticks until farewell().
  void start();
  void attention(const std::string& service, uint32_t interval_ms, uint32_t lasting_seconds);
  /// Stops ticking; the last samples and one `final` per service and host are handed to the uplink.
  void farewell();

 private:
  void plan_tick();
  void tick();
  void heartbeat(const Moment& now);
  void tell_facts(const Moment& now);
  void look_at_host(const Moment& now, bool hurry);

  Options options_;
  Uplink& uplink_;
  VersionJournal journal_;
  HostFacts host_facts_;
  std::map<std::string, std::string, std::less<>> versions_;  ///< as the other services were told
  std::unique_ptr<NameWatch> names_;
  Datagrams datagrams_;
  SocketDump socket_dump_;
  SharedSockets sockets_{.source = socket_dump_};
  std::vector<std::unique_ptr<ServiceWatch>> services_;
  UvTimer timer_;
  Moment last_tick_, last_beat_;
  uint64_t due_boot_us_ = 0;  ///< when the tick that is planned should come
  LoopCounts counts_;
  std::optional<MetricsFile> metrics_file_;
};

/// Milliseconds from `wall_us` to the next whole second, at least 200: a timer that fires a moment
/// early does not tick twice.
uint64_t until_whole_second_ms(int64_t wall_us);

}  // namespace serin::agent
