#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <vector>

#include "demo/draw/draw.h"

namespace shop {

struct TrafficShape {
  double requests_per_second = 40;  ///< per host, on the average over a day
  size_t hosts = 1;
  int customers = 2000;
  double wave_seconds = 120;  ///< a day, compressed
  double wave_depth = 0.2;    ///< rush hour and night are this much above and below the average
  double requests_per_visit = 4;
  double think_seconds = 0.4;  ///< mean pause between the requests of one visit
};

struct Arrival {
  double at = 0;  ///< seconds since the beginning
  size_t host = 0;
  std::string path;
  std::string form;  ///< not empty: POST
};

/// Who asks for what, and when: open-loop, so that nothing here depends on any answer. Visits
/// arrive by exponential gaps under the day's wave, go to the hosts in turn and stay there (a
/// balancer's sticky session); a visit is one customer's few requests with pauses for thought.
/// Customers are chosen by a power law. The same seed gives the same traffic.
class Traffic {
 public:
  Traffic(const TrafficShape& shape, uint64_t seed);
  /// The next request in order of time; there is always one.
  Arrival next();

 private:
  struct Later {
    bool operator()(const Arrival& a, const Arrival& b) const { return a.at > b.at; }
  };
  void add_visit();
  Arrival request_of(int customer);
  int pick_customer();

  TrafficShape shape_;
  Draw draw_;
  std::vector<double> weight_;  ///< cumulated, by customer
  double next_visit_ = 0;
  size_t next_host_ = 0;
  std::priority_queue<Arrival, std::vector<Arrival>, Later> planned_;
};

}  // namespace shop
