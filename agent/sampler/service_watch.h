#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/probe/process_probe.h"
#include "agent/request/access_log.h"
#include "agent/sampler/announcer.h"
#include "agent/sampler/helper_port.h"
#include "agent/sampler/phase.h"
#include "agent/sampler/sample_flow.h"
#include "agent/service/exit_watch.h"
#include "agent/service/finder.h"
#include "agent/service/name_watch.h"
#include "agent/uplink/uplink.h"
#include "common/loop.h"
#include "common/service_file.h"

namespace serin::agent {

/// Watches one service on this host: finds its process, tells its starts and ends as events, and
/// cuts what it sees into samples. An interval never spans two generations: it is cut at each start
/// and end, after the logs were read. Everything on the loop's thread. Costs per tick while the
/// process runs: one reading of the probe, one lstat of the version link, and what the logs bring.
class ServiceWatch {
 public:
  struct Environment {
    uv_loop_t* loop = nullptr;
    const HostClock& clock;
    std::string boot_id;
    Uplink& uplink;
    VersionJournal& journal;
    HelperPort helper;
    NameWatch* names = nullptr;  ///< absent: once a second has to do
    std::optional<std::filesystem::path> state_dir;
    ProcessProbe::Options probe;
  };

  /// Errors are those of the configuration: no finder for it yet, a log format that cannot work.
  static Result<std::unique_ptr<ServiceWatch>> make(ServiceFile service, Environment environment);
  ~ServiceWatch();

  /// The first look. What runs already is announced as what ran before the agent came.
  void start();
  /// Once a second, on whole seconds.
  void tick(const Moment& now);
  void attention(uint32_t interval_ms, uint32_t lasting_seconds);
  /// The agent ends: sends what is there, and `final`.
  void farewell(const Moment& now);

  [[nodiscard]] const std::string& name() const { return service_.name; }
  [[nodiscard]] uint64_t lines_skipped() const;

 private:
  struct Running {
    FoundProcess process;
    std::string generation;
    Moment start;
    ProcessProbe probe;
    std::optional<ExitWatch> exit;
    std::optional<ProcessReading> last;
    std::string version;  ///< empty until announced
    bool ambiguous = false;
  };

  ServiceWatch(ServiceFile service, Environment environment, std::unique_ptr<ServiceFinder> finder,
               std::vector<AccessLog> logs);
  // Starts and ends.
  enum class End { exited, replaced };
  void look();
  void look_whether_replaced();
  void found(const FoundProcess& process, const Moment& now);
  void found_ended(const FoundProcess& process, const Moment& now);
  void begin(const FoundProcess& process, ProcessProbe probe, const Moment& now);
  void ended(ExitStatus status);
  void end_generation(ExitStatus status, End how);
  void announce(const GenerationRecord& record, bool repeated);
  void send_died(const std::string& generation, const std::string& version, ExitStatus status,
                 End how, const Moment& at);
  void wait_for_start();
  [[nodiscard]] Event event(EventKind kind, const Moment& now) const;
  [[nodiscard]] std::string generation_of(const FoundProcess& process) const;

  // Samples.
  void cut(const Moment& now, const std::optional<ProcessReading>& reading);
  void poll_logs(const Moment& now);
  [[nodiscard]] Sample sample_of(const Tally& tally, const Moment& now, uint32_t interval_us) const;
  void add_process(Sample& sample, const std::optional<ProcessReading>& reading, const Moment& now);
  void add_counters(Sample& sample, const Tally& tally) const;
  void add_absent(Sample& sample) const;
  void send_late(const Moment& now, uint32_t interval_us, Phase phase, Tally& into);
  void commit_logs(const Moment& now);
  void first_interval(const Moment& now);

  ServiceFile service_;
  Environment env_;
  std::unique_ptr<ServiceFinder> finder_;
  std::vector<AccessLog> logs_;
  VersionSource source_;
  Announcer announcer_;
  PhaseTracker phases_;
  SampleFlow flow_;
  Timeline timeline_;
  Tallies tallies_;
  uint32_t span_ = 0;  ///< of what runs now, or of nothing
  std::optional<Running> running_;
  Moment cut_at_;
  UvTimer look_timer_;
  uint64_t last_look_us_ = 0;
  uint64_t ended_us_ = 0;
  std::string problem_;  ///< of the finder; logged when it changes
};

}  // namespace serin::agent
