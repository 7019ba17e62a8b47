#include "agent/sampler/socket_check.h"

#include <fmt/core.h>

#include <algorithm>

namespace serin::agent {
namespace {

constexpr size_t kMostPorts = 5;  // more do not fit a line

std::string remotes(std::vector<RemotePort> ports) {
  std::ranges::stable_sort(ports, std::ranges::greater{}, &RemotePort::connections);
  std::string text;
  for (size_t i = 0; i < std::min(ports.size(), kMostPorts); ++i)
    text += fmt::format("{}{} to port {}", i == 0 ? "" : ", ", ports[i].connections, ports[i].port);
  if (ports.size() > kMostPorts) text += ", …";
  return text.empty() ? text : fmt::format(" ({})", text);
}

}  // namespace

std::string words_for(const SocketMetrics& metrics) {
  std::string text;
  const auto say = [&text](std::string words) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", words);
  };
  if (metrics.inbound) say(fmt::format("{} connections in", *metrics.inbound));
  if (metrics.outbound) say(fmt::format("{} out{}", *metrics.outbound, remotes(metrics.remotes)));
  if (metrics.connecting.value_or(0) > 0) say(fmt::format("{} connecting", *metrics.connecting));
  if (metrics.accept_queue && metrics.accept_limit)
    say(fmt::format("{} of at most {} wait to be accepted", *metrics.accept_queue,
                    *metrics.accept_limit));
  return text;
}

std::string SocketCheck::look(uint64_t now_us) {
  std::string text = words_for(probe_.look(now_us));
  if (text.empty() || probe_.period_us() <= SocketPace::kFastestUs) return text;
  return fmt::format("{}; all are looked at each {} s, as one look costs much here", text,
                     probe_.period_us() / 1'000'000);
}

}  // namespace serin::agent
