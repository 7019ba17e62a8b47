#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "aggregator/core/fold.h"

namespace serin::sim {

/// What the hosts of a simulated fleet are like. Rates per second, shares in [0, 1].
struct World {
  int hosts = 6;
  double rate = 40;
  double error_rate = 0.001;
  double host_sd = 0.2;     ///< between hosts, log error rate
  double noise_sd = 0.2;    ///< AR(1), tau 20 s, log error rate
  double missing = 0.01;    ///< samples that never leave the host
  double warmup = 0.4;      ///< log error rate right after a restart, fading with 15 s
  bool gauges = false;      ///< hosts report CPU, memory, descriptors and threads
  bool sockets = false;     ///< hosts report connections, and connects that fail
  bool dead_man = false;    ///< root lets hosts go back by themselves
  std::string counter;      ///< name of a business counter; empty: none
  double usual = 0.3;       ///< of the counter, a request
  uint64_t seed = 1;
};

/// What a version does on the hosts that run it.
struct Release {
  double errors = 1;          ///< error rate times this
  double add_errors = 0;      ///< and plus this share
  double lifetime_seconds = 0;  ///< dies and is restarted; 0 = lives
  bool stays_down = false;    ///< dies and nothing restarts it
  double traffic = 1;         ///< rate times this
  double after = 0;           ///< age in seconds at which what follows sets in, and errors too
  double burst_every = 0;     ///< seconds: trouble in one second of so many only; 0 = always
  double slower = 1;          ///< all latencies times this
  double tail = 1, tail_share = 0;          ///< latencies of this share times this
  double slow_share = 0, slow_seconds = 0;  ///< this share takes so much longer
  double cpu = 1, threads = 1;              ///< times
  double memory_leak = 0, fd_leak = 0;      ///< bytes and descriptors a second
  double counts = 1;                        ///< the business counter times this
  double connection_leak = 0;               ///< connections a second
  double failed_connects = 0;               ///< a second
  double overflows = 0;                     ///< connections to it that are dropped, a second
};

/// A watch of 45 s that passes what it may: stories of restarts and of people need no long ones.
PolicySet quick_policy();

/// A whole fleet with agents, helpers and the stream between them and the real core, in simulated time. What the shell
/// does for the fold (audit, commands, restart) is done here in memory. The same seed gives the same run.
class Fleet {
 public:
  Fleet(World world, PolicySet policy);

  std::map<std::string, Release> releases;

  /// Runs until `seconds` of simulated time; `timeline` entries fire when their time comes.
  void run_until(double seconds);
  void at(double seconds, std::function<void(Fleet&)> what);

  // ---- what can be done to it
  void start(int host, const std::string& version);
  /// What is so on a host from now on; its agent says so when it is heard again.
  void fact(int host, const std::string& name, const std::string& value);
  void person_acts(Act act, const std::string& actor);      ///< on the newest deploy
  void silence(int host, double seconds, bool restart_agent);  ///< the agent is dead that long
  void bus_outage(double seconds);                           ///< agents keep their samples and send them afterwards
  void helper_fails(int host) { failing_helpers_.insert({host, true}); }
  void helper_refuses(int host) { refusing_helpers_.insert(host); }  ///< it would not work
  void helper_mended(int host) { failing_helpers_.erase(host), refusing_helpers_.erase(host); }
  void helper_fails_late(int host) { late_failing_helpers_.insert(host); }  ///< after the restart: not healthy
  /// Its first action turns a flag off, which makes the version well, or not.
  void has_flag(int host, bool helps) { flags_.insert({host, helps}); }
  void obeys(bool yes) { obeys_ = yes; }
  void cut_off(int host, double seconds);                    ///< from the bus: it keeps what it has to say, and hears nothing
  void dead_man(int host);                                   ///< cut off, its helper sees the version fail
  void not_ready(int host, const std::string& why);          ///< its helper knows that no rollback would work
  void other_artefact(int host);                             ///< what it starts from now on is not what others run
  void drill(int host, const std::string& actor);
  void declare(const std::string& version, bool irreversible);
  void absolve(const std::string& version);
  void fleet_errors(double factor, double seconds);          ///< every host's error rate, for a while
  void fleet_slower(double factor, double seconds);          ///< every host's latency, for a while
  void partner_fails(double failed_connects, double seconds);  ///< on every host, so many a second, for a while
  void host_errors(int host, double factor, double seconds);  ///< one host's error rate, whatever runs there
  void duplicate_everything() { duplicate_ = true; }
  void publish(const Control& control) { store(control, now_); }  ///< of the aggregator itself
  void stranger(int host);                                   ///< a second agent with this host's id
  /// The aggregator is killed and started again: a new fold, the audit, the whole stream.
  void restart_aggregator();
  /// Decisions are stored, and what follows from them is lost, from the next one on until a restart.
  void crash_after_next_decision() { crash_after_decision_ = true; }

  [[nodiscard]] const core::Fold& fold() const { return *fold_; }
  [[nodiscard]] const std::vector<Decision>& audit() const { return audit_; }
  [[nodiscard]] const std::vector<core::Notification>& notifications() const { return notifications_; }
  [[nodiscard]] const std::vector<core::Input>& stream() const { return stream_; }
  [[nodiscard]] const Decision* find(DecisionKind kind, const std::string& version = {}) const;
  [[nodiscard]] int executed(int host) const;                ///< rollbacks that really happened there
  [[nodiscard]] int drilled(int host) const;                 ///< rehearsals that began there
  [[nodiscard]] std::string confirmed(int host) const;       ///< the last version that was confirmed there
  /// Every command that left, newest last, whether it was heard or not.
  [[nodiscard]] const std::vector<Command>& commands() const { return commands_; }
  [[nodiscard]] std::string version_on(int host) const;
  [[nodiscard]] int hosts() const { return world_.hosts; }
  [[nodiscard]] double now() const { return now_; }
  static std::string host_name(int host);

 private:
  struct Host {
    std::string version, previous;
    bool flag_off = false;
    double log_errors = 0, noise = 0, pool_noise = 0;
    double started = -1000, dies = 0, back = 0;
    bool down = false;
    double silent_until = 0;
    double ill_until = 0, ill_factor = 1;
    uint64_t agent_start = 1, sequence = 0, generation = 1;
    std::map<std::string, bool> commands;
    int executed = 0, drilled = 0;
    double cut_until = 0;
    std::vector<std::pair<std::variant<Sample, Event, Control>, double>> backlog;  ///< while it is cut off
    std::optional<Command> last;  ///< the one message that the stream keeps for it
    std::string confirmed, artefact = "c0ffee";
    std::set<std::string> once_confirmed;
    std::vector<std::pair<std::string, std::string>> facts;
  };

  void second();
  void emit_sample(int host);
  RequestMetrics requests_of(Host& host, const Release& release, bool trouble,
                             std::normal_distribution<double>& normal);
  ProcessMetrics process_of(const Host& host, const Release& release, bool trouble, uint64_t requests);
  SocketMetrics sockets_of(Host& host, const Release& release, bool trouble, std::normal_distribution<double>& normal);
  void emit(Event event, int host, double at);
  void store(std::variant<Sample, Event, Control> body, double at);
  void deliver(const core::Input& input, bool replay);
  void handle(std::vector<core::Effect> effects);
  void execute(const Command& command);
  void roll_back(int host, const Command& command);
  void turn_flag_off(int index, const Command& command, bool helps);
  void rehearse(int host, const Command& command);
  void confirm(int host, const Command& command);
  void cancel(int host, const Command& command);
  void reconnect(int host);
  void tell_fact(int host, const std::string& name, const std::string& value);
  void restart_into(int host, std::string version, Cause cause, double at);
  std::function<void(Fleet&)> step(int host, const Command& command, const char* what, std::string reason = {});

  World world_;
  PolicySet policy_;
  std::mt19937_64 random_;
  std::unique_ptr<core::Fold> fold_;
  std::vector<Host> hosts_;
  std::vector<core::Input> stream_;
  std::vector<Decision> audit_;
  std::vector<core::Notification> notifications_;
  std::vector<Command> commands_;
  std::multimap<double, std::function<void(Fleet&)>> agenda_;
  std::vector<std::pair<std::variant<Sample, Event, Control>, double>> held_back_;  ///< during an outage of the bus
  std::map<int, bool> failing_helpers_;
  std::set<int> late_failing_helpers_, refusing_helpers_;
  std::map<int, bool> flags_;  ///< by host: whether turning it off helps
  double now_ = 0, outage_until_ = 0, fleet_until_ = 0, fleet_factor_ = 1;
  double fleet_slow_until_ = 0, fleet_slower_ = 1;
  double partner_until_ = 0, partner_fails_ = 0;
  int64_t last_stored_us_ = 0;
  bool obeys_ = true, duplicate_ = false, crash_after_decision_ = false, crashed_ = false;
};

}  // namespace serin::sim
