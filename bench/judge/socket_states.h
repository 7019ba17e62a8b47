#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bench/judge/host_states.h"
#include "bench/judge/nature.h"
#include "bench/judge/random.h"

// What the sockets of every host do: pools that follow traffic and drift, and connects that fail in
// bursts. Random streams of its own, so that a fleet whose agents look at sockets is otherwise the
// same fleet.

namespace serin::bench {

class SocketStates {
 public:
  SocketStates(const Sockets& nature, size_t hosts, double watch_seconds, uint64_t seed);

  /// So many seconds pass on all hosts, before the watch or within it.
  void move(double seconds);
  void restart(size_t host, double warmup_factor);
  /// From now on time counts from the start of the watch.
  void begin_watch() { watch_second_ = 0; }

  /// `traffic`: the host's against the usual.
  [[nodiscard]] double connections(size_t host, double traffic, double age_seconds) const;
  /// Over the last second, at so many requests.
  [[nodiscard]] double failed_connects(size_t host, double requests);
  [[nodiscard]] double accept_overflows(size_t host, double requests);

 private:
  /// Trouble that comes now and then, and goes.
  struct Burst {
    double left_seconds = 0, failing = 0;
  };
  void move(std::vector<Burst>& bursts, double an_hour);

  Sockets nature_;
  Rng rng_;
  TraitStates levels_;
  std::vector<Burst> away_, full_;  // by host
  std::optional<double> watch_second_;
  double resize_at_, resize_ = 0;             // log scale
  double partner_from_, partner_until_ = -1;  // seconds of the watch
};

}  // namespace serin::bench
