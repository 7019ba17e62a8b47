#pragma once

#include <cstddef>

// What differs between the hosts of the simulated fleet, and what moves. Standard deviations are on
// the log scale (log odds, for shares) unless a unit is given.

namespace serin::bench {

/// A quality of how a host serves requests.
struct Trait {
  double host = 0;     ///< between hosts, for good
  double drift = 0;    ///< of one host, over an hour or so
  double noise = 0;    ///< of one host, over seconds
  double restart = 0;  ///< how a new process differs from the one before
  double warmup = 0;   ///< excess of a new process, which fades in `warmup_seconds`
  double warmup_seconds = 20;
};

/// A size of the process.
struct Size {
  double usual = 0;    ///< in its own unit
  double host = 0;     ///< between hosts, log scale
  double noise = 0;    ///< own unit, with a correlation time of 30 s
  double trend = 0;    ///< sd of a host's own slope, own unit a second
  double restart = 0;  ///< log scale
  double warmup = 0;   ///< share of the usual size that a new process has yet to fill
  double warmup_seconds = 1;
  bool whole = false;  ///< a whole number
};

/// Connections that a host has opened to its partners, and connects that fail.
struct Sockets {
  bool told = false;    ///< by the agents
  Trait connections{};  ///< log scale; drift comes with no deploy
  double usual = 40;    ///< connections of a host
  double noise_seconds = 60;
  double follows = 0;        ///< traffic to this power
  double resizes = 0;        ///< share of watches in which every pool is set to another size
  double bursts = 0;         ///< a host's own, an hour: a partner is away for it alone
  double burst_seconds = 6;  ///< mean
  double failing = 0.5;      ///< connects that fail meanwhile, a request
  double partners =
      0;            ///< share of watches in which a partner fails all hosts, for a minute or two
  double rare = 0;  ///< connects that fail at any time, a request
  double overflows = 0;  ///< bursts an hour in which a host does not accept in time
};

struct Nature {
  Trait latency, errors, orders, cpu;
  double cpu_blocks = 0.03;  ///< of CPU per request from block to block, without memory
  Size rss_bytes{.usual = 2e9}, fds{.usual = 300, .whole = true},
      threads{.usual = 40, .whole = true};
  double noise_seconds = 20;   ///< correlation time of `noise`
  double wave = 0;             ///< traffic swings by this share over half an hour
  double traffic_noise = 0;    ///< of the whole fleet's traffic, over a minute
  double share_noise = 0;      ///< of the canary's part of it, over five minutes
  double incidents = 0;        ///< share of watches in which the whole fleet suffers 2 minutes
  double warmup_varies = 0.3;  ///< lognormal factor on all warm-up of a watch
  double missing = 0;          ///< share of reports that get lost
  Sockets sockets{};
  double error_share = 1e-3, order_share = 0.05, cpu_seconds_per_request = 2e-3;
};

/// Hosts that are all alike, and never change.
inline constexpr Nature kHomogeneous{};

/// A fleet as one meets them. Latency, errors, traffic, incidents and CPU as in the figures that
/// the judge was designed on; orders and drift are set to what seems usual.
inline constexpr Nature kHeterogeneous{
    .latency = {.host = 0.05,
                .drift = 0.01,
                .noise = 0.03,
                .restart = 0.02,
                .warmup = 0.5,
                .warmup_seconds = 20},
    .errors = {.host = 0.20,
               .drift = 0.05,
               .noise = 0.20,
               .restart = 0.10,
               .warmup = 0.4,
               .warmup_seconds = 15},
    .orders = {.host = 0.05,
               .drift = 0.02,
               .noise = 0.05,
               .restart = 0.03,
               .warmup = -0.1,
               .warmup_seconds = 20},
    .cpu = {.host = 0.10,
            .drift = 0.02,
            .noise = 0.03,
            .restart = 0.03,
            .warmup = 0.4,
            .warmup_seconds = 20},
    .rss_bytes = {.usual = 2e9,
                  .host = 0.05,
                  .noise = 40e6,
                  .trend = 0.02e6,
                  .restart = 0.03,
                  .warmup = 0.4,
                  .warmup_seconds = 120},
    .fds = {.usual = 300,
            .host = 0.10,
            .noise = 15,
            .trend = 0.005,
            .restart = 0.02,
            .warmup = 0.5,
            .warmup_seconds = 10,
            .whole = true},
    .threads = {.usual = 40,
                .host = 0.05,
                .noise = 1,
                .trend = 0,
                .restart = 0.02,
                .warmup = 0.5,
                .warmup_seconds = 10,
                .whole = true},
    .wave = 0.3,
    .traffic_noise = 0.1,
    .share_noise = 0.1,
    .incidents = 0.3,
    .missing = 0.01,
};

/// What hosts with agents that look at sockets tell beside that.
inline constexpr Sockets kUnevenSockets{
    .told = true,
    .connections = {.host = 0.25,
                    .drift = 0.08,
                    .noise = 0.10,
                    .restart = 0.05,
                    .warmup = -0.7,
                    .warmup_seconds = 30},
    .usual = 40,
    .noise_seconds = 60,
    .follows = 0.6,
    .resizes = 0.3,
    .bursts = 1,
    .burst_seconds = 6,
    .failing = 0.5,
    .partners = 0.2,
    .rare = 1e-5,
    .overflows = 0.2,
};

}  // namespace serin::bench
