#include "agent/probe/socket_probe.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <time.h>

#include "agent/probe/socket_scope.h"

namespace serin::agent {
namespace {

using Scope = SocketSource::Scope;
using Kind = DumpFault::Kind;

}  // namespace

uint64_t thread_cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

SocketProbe::SocketProbe(SocketOwner owner, SharedSockets& shared)
    : owner_(std::move(owner)), shared_(&shared), book_(owner_.ports) {}

/// Groups come and go below a unit, and a process may move to another network after its start.
void SocketProbe::choose_filter() {
  filter_ = {.groups = {}, .ports = owner_.ports};
  no_groups_.clear();
  problem_.clear();
  if (in_other_network(shared_->proc, owner_.pid).value_or(false)) {
    filter_.ports.clear();
    problem_ = "the service runs in a network namespace of its own, which the agent cannot see";
    return;
  }
  if (owner_.cgroup.empty()) return use_ports("it is not watched by its unit");
  if (groups_refused_) return use_ports("the kernel has no filter by control group (Linux 5.8)");
  auto ids = group_ids(owner_.cgroup);
  if (!ids) return use_ports(ids.error().message);
  filter_.groups = std::move(*ids);
}

void SocketProbe::use_ports(std::string why_no_groups) {
  no_groups_ = std::move(why_no_groups);
  if (filter_.ports.empty())
    problem_ = fmt::format("{}; name the ports that it listens on (ports = [8080])", no_groups_);
}

SocketMetrics SocketProbe::look(uint64_t now_us) {
  if (pace_.is_due(now_us)) return look_at_all(now_us);
  return look_at_listeners();
}

SocketMetrics SocketProbe::look_at_all(uint64_t now_us) {
  const uint64_t before_ns = shared_->cpu_ns();
  blind_ = true;
  choose_filter();
  if (filter_.is_empty()) {
    pace_.looked(now_us, 0, shared_->budget_ns);
    return {};
  }
  SocketMetrics metrics;
  const auto listed = list(Scope::all);
  blind_ = !listed;
  if (listed) metrics = without_unseen(book_.look_at_all(shared_->records));
  pace_.looked(now_us, shared_->cpu_ns() - before_ns,
               shared_->budget_ns / std::max(shared_->services, 1U));
  if (!listed && listed.error() == Kind::too_many) pace_.looked_in_vain(now_us);
  return metrics;
}

SocketMetrics SocketProbe::look_at_listeners() {
  if (!blind_) problem_.clear();
  if (filter_.is_empty() || !list(Scope::listeners)) return {};
  SocketMetrics seen = book_.look_at_listeners(shared_->records);
  if (!blind_) return without_unseen(std::move(seen));
  return {.accept_queue = seen.accept_queue,
          .accept_limit = seen.accept_limit,
          .accept_overflows = seen.accept_overflows};
}

/// An error: nothing of it may be used.
std::expected<void, Kind> SocketProbe::list(Scope scope) {
  auto listed = shared_->source.list(filter_, scope, shared_->records);
  if (!listed && listed.error().kind == Kind::refused && !filter_.groups.empty()) {
    groups_refused_ = true;
    choose_filter();
    if (filter_.is_empty()) return std::unexpected(Kind::refused);
    listed = shared_->source.list(filter_, scope, shared_->records);
  }
  if (listed) return {};
  ++lost_;
  problem_ = fmt::format("{} ({} looks lost so far)", listed.error().reason, lost_);
  return std::unexpected(listed.error().kind);
}

/// By ports alone only what others have opened to the service is seen.
SocketMetrics SocketProbe::without_unseen(SocketMetrics metrics) {
  if (!filter_.groups.empty()) return metrics;
  if (book_.listeners() == 0) {
    problem_ = fmt::format("nothing listens on {} in the agent's network namespace",
                           fmt::join(filter_.ports, ", "));
    return {};
  }
  metrics.outbound.reset();
  metrics.connecting.reset();
  metrics.rtt_seconds.reset();
  metrics.failed_connects.reset();
  metrics.remotes.clear();
  return metrics;
}

std::vector<Absent> SocketProbe::absent() const {
  if (!problem_.empty()) return {{.metric = "sockets", .reason = problem_}};
  if (no_groups_.empty()) return {};
  return {
      {.metric = "outbound", .reason = fmt::format("connections that it opens: {}", no_groups_)}};
}

}  // namespace serin::agent
