#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/facts/fact_book.h"
#include "agent/facts/service_facts.h"
#include "agent/probe/service_probe.h"
#include "agent/probe/socket_probe.h"
#include "agent/request/request_source.h"
#include "agent/sampler/announcer.h"
#include "agent/sampler/cut_off.h"
#include "agent/sampler/helper_port.h"
#include "agent/sampler/phase.h"
#include "agent/sampler/sample_flow.h"
#include "agent/service/cgroup_watch.h"
#include "agent/service/exit_watch.h"
#include "agent/service/finder.h"
#include "agent/service/name_watch.h"
#include "agent/service/unit_service.h"
#include "agent/uplink/uplink.h"
#include "common/loop.h"
#include "common/service_file.h"

namespace serin::agent {

/// Watches one service on this host: finds its process (looks for it, or is told by its unit),
/// tells its starts and ends as events, and cuts what it sees into samples. An interval never spans
/// two generations: it is cut at each start and end, after the sources were read. Everything on the
/// loop's thread. Costs per tick while the process runs: one reading of the probe, one lstat of the
/// version link, and what the logs bring.
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
    UnitManager* units = nullptr;  ///< absent: services by unit are an error
    CgroupRoots cgroups;
    FactBook* facts = nullptr;  ///< null: none are told
    std::function<void(const Moment&)> look_at_host;  ///< what it is like may have changed
    HostRoots roots;                                  ///< where facts are read
    Datagrams* datagrams = nullptr;
    SharedSockets* sockets = nullptr;  ///< null: none are looked at
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
  /// Lines, datagrams and values that could not be used.
  [[nodiscard]] uint64_t lines_skipped() const;
  /// Of what runs; empty when nothing does, and while it is not known.
  [[nodiscard]] std::string_view version() const;

 private:
  struct Start {
    std::string generation;
    int32_t pid = 0;
    Moment at;
  };
  struct Running {
    Start start;
    ServiceProbe probe;
    std::optional<SocketProbe> sockets;
    std::optional<ExitWatch> exit;
    std::optional<ProcessReading> last;
    std::optional<uint64_t> last_oom_kills;  ///< when its end was seen
    std::string version;  ///< empty until announced
    bool ambiguous = false;
    std::optional<Moment> ended;  ///< its unit has not said yet how
  };
  struct Ending {
    ExitStatus status;
    std::optional<bool> asked;  ///< absent: nobody said
    std::string reason;
  };

  using Sources = std::vector<std::unique_ptr<RequestSource>>;
  ServiceWatch(ServiceFile service, Environment environment, std::unique_ptr<ServiceFinder> finder,
               std::unique_ptr<VersionInquiry> inquiry, Sources sources);
  // Starts and ends.
  void look();
  void look_whether_replaced();
  void found(const FoundProcess& process, const Moment& now);
  void announce_ended(const Start& start);
  void begin(Start start, ServiceProbe probe, const Moment& now);
  void watch_sockets(const Moment& now);
  void watch_exit();
  void ended(ExitStatus status);
  void end_generation(const Ending& ending);
  void open_empty_span(const Moment& now);
  void announce(const GenerationRecord& record, bool repeated);
  void tell_facts(const GenerationRecord& start, const Moment& now);
  void watch_cut_off(const Moment& now);
  void send_died(const std::string& generation, const Ending& ending, const Moment& at);
  void wait_for_start();
  [[nodiscard]] Event event(EventKind kind, const Moment& now) const;
  [[nodiscard]] Start start_of(const FoundProcess& process, const Moment& now) const;

  // The same, as a unit tells them.
  [[nodiscard]] UnitFollower::Handlers unit_handlers();
  void unit_began(const UnitProcess& process);
  void unit_ended(const UnitEnd& end);
  void unit_carried_on(const UnitProcess& process);
  void unit_failed(const std::string& reason);
  void unit_rests(bool asked);
  void follow_unit();
  void killed_for_memory(uint64_t kills);
  void tell_kills(const ProcessMetrics& process);
  /// What is not known must not be taken for "nothing runs".
  [[nodiscard]] bool is_blind() const;

  // Samples.
  void cut(const Moment& now, const std::optional<ProcessReading>& reading);
  void poll_sources(const Moment& now);
  [[nodiscard]] Sample sample_of(const Tally& tally, const Moment& now, uint32_t interval_us) const;
  void add_process(Sample& sample, const std::optional<ProcessReading>& reading, const Moment& now);
  void add_counters(Sample& sample, const Tally& tally) const;
  [[nodiscard]] bool is_seen(const ServiceFile::Business& business) const;
  void add_answers(Sample& sample, const Tally& tally) const;
  void add_absent(Sample& sample) const;
  void add_source_trouble(Sample& sample, const RequestSource& source) const;
  void add_unit_doubt(Sample& sample) const;
  void send_late(const Moment& now, uint32_t interval_us, Phase phase, Tally& into);
  void commit_sources(const Moment& now);
  void first_interval(const Moment& now);

  ServiceFile service_;
  Environment env_;
  std::unique_ptr<ServiceFinder> finder_;  ///< or:
  std::unique_ptr<UnitService> unit_;
  std::unique_ptr<CgroupWatch> group_watch_;
  VersionSource source_;
  Announcer announcer_;
  std::optional<ServiceFacts> facts_;
  PhaseTracker phases_;
  SampleFlow flow_;
  Timeline timeline_;
  Tallies tallies_;
  Sources sources_;
  uint32_t span_ = 0;  ///< of what runs now, or of nothing
  std::optional<Running> running_;
  Moment cut_at_;
  UvTimer look_timer_, word_timer_;
  uint64_t last_look_us_ = 0;
  uint64_t ended_us_ = 0;
  std::optional<CutOff> cut_off_;  ///< where root's file allows the dead-man
  int64_t version_since_us_ = 0;   ///< wall clock; 0 while none is known
  bool answers_ = false;           ///< in the last interval, or it may
  std::string problem_;            ///< of the finder; logged when it changes
};

}  // namespace serin::agent
