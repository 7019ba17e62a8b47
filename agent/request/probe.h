#pragma once

#include <memory>
#include <string>

#include "agent/request/request_source.h"
#include "common/loop.h"

namespace serin::agent {

/// How one probe ended.
struct Probed {
  uint16_t status = 0;  ///< of HTTP; 200 where TCP accepted; 0: no answer
  std::string why;      ///< there was none
};

/// Asks a service once, over a connection of its own and without blocking the loop; gives up after
/// `timeout_ms`. Destroying it gives up too.
class ProbeTry {
 public:
  virtual ~ProbeTry() = default;
  /// `done` is called once, later.
  static std::unique_ptr<ProbeTry> start(uv_loop_t* loop, const ServiceFile::Requests& requests,
                                         std::function<void(Probed)> done);
};

/// Requests that the agent makes itself, for services that have no others: one each interval, half
/// a second off the whole seconds at which intervals are cut, so that each second holds one. What
/// is not answered in time, refused or no HTTP is an error; the latency is up to the answer's last
/// byte, or until TCP is connected. It belongs to the generation that ran when it began. Where the
/// agent itself was held up nothing is counted, and said so.
class Probe : public RequestSource {
 public:
  static Result<std::unique_ptr<Probe>> make(const ServiceFile& service, size_t index,
                                             const SourceSetting& setting);

  void start(const Timeline& timeline, Tallies& tallies) override;
  void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) override;
  [[nodiscard]] bool is_complete() const override { return complete_; }
  [[nodiscard]] uint64_t skipped() const override { return 0; }
  [[nodiscard]] std::string problem() const override { return problem_; }
  [[nodiscard]] std::string no_latency() const override { return {}; }

 private:
  Probe(const ServiceFile& service, size_t index, const SourceSetting& setting);
  void plan();
  void begin();
  void ended(const Probed& probed);
  void miss(std::string why);
  void count(const Probed& probed, double seconds);

  uv_loop_t* loop_;
  std::string name_;
  ServiceFile::Requests requests_;
  std::function<int64_t()> wall_us_;
  const Timeline* timeline_ = nullptr;
  Tallies* tallies_ = nullptr;
  UvTimer timer_;
  std::unique_ptr<ProbeTry> try_, over_;
  int64_t began_wall_us_ = 0;
  uint64_t began_ns_ = 0;
  bool missed_ = false;  ///< since the last poll a probe was lost by the agent's own fault
  bool complete_ = true;
  std::string problem_;
  std::string trouble_;  ///< of the service; logged when it changes
};

/// Milliseconds from `wall_us` to the next probe: half a second into a whole multiple of the
/// interval, and never right now.
uint64_t until_next_probe_ms(int64_t wall_us, int64_t interval_us);

}  // namespace serin::agent
