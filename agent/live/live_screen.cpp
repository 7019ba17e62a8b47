#include "agent/live/live_screen.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "schema/capture.h"

namespace serin::agent {
namespace {

constexpr const char* kHost = "_host";
constexpr double kMicroseconds = 1e6;

std::string bytes(uint64_t amount) {
  if (amount < 10'000) return fmt::format("{} B", amount);
  if (amount < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(amount) / 1e3);
  if (amount < 10'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(amount) / 1e6);
  return fmt::format("{:.1f} GB", static_cast<double>(amount) / 1e9);
}

std::string duration(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

std::string clock_time(int64_t wall_us) {
  const time_t seconds = wall_us / 1'000'000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

double seconds_of(const Sample& sample) {
  return std::max(sample.interval_us / kMicroseconds, 1e-6);
}

/// Facts in a row, wrapped between them and never within one.
class Row {
 public:
  Row(std::string& out, std::string label, size_t columns)
      : out_(out), columns_(columns), line_("  " + std::move(label)) {
    line_.resize(std::max(line_.size(), kIndent - 1), ' ');
  }
  void add(const std::string& fact) {
    if (!first_ && line_.size() + 3 + fact.size() > columns_) {
      out_ += line_ + "\n";
      line_ = std::string(kIndent - 1, ' ');
      first_ = true;
    }
    line_ += (first_ ? " " : " · ") + fact;
    first_ = false;
    empty_ = false;
  }
  void end() {
    if (!empty_) out_ += line_ + "\n";
  }

 private:
  static constexpr size_t kIndent = 12;
  std::string& out_;
  size_t columns_;
  std::string line_;
  bool first_ = true, empty_ = true;
};

void add_count(Row& row, const std::optional<uint64_t>& count, std::string_view what) {
  if (count) row.add(fmt::format("{} {}", *count, what));
}

void put_requests(std::string& out, const Sample& sample, size_t columns) {
  Row row(out, "requests", columns);
  if (!sample.requests) {
    row.add("not counted");
    return row.end();
  }
  const auto& requests = *sample.requests;
  const double seconds = seconds_of(sample);
  row.add(fmt::format("{:.1f}/s", static_cast<double>(requests.requests) / seconds));
  row.add(fmt::format("{:.2f}/s errors", static_cast<double>(requests.errors) / seconds));
  if (!requests.latency.empty()) {
    row.add("p50 " + duration(requests.latency.quantile(0.5)));
    row.add("p99 " + duration(requests.latency.quantile(0.99)));
  }
  if (requests.client > 0) row.add(fmt::format("{} of the client's errors", requests.client));
  if (requests.limited > 0) row.add(fmt::format("{} limited", requests.limited));
  if (requests.aborted > 0) row.add(fmt::format("{} aborted", requests.aborted));
  for (const auto& one : requests.classes)
    row.add(fmt::format("{} {:.1f}/s", one.name, static_cast<double>(one.requests) / seconds));
  row.end();
}

void put_process(std::string& out, const Sample& sample, size_t columns) {
  const auto& process = sample.process;
  Row row(out, "process", columns);
  if (process.cpu_seconds)
    row.add(fmt::format("CPU {:.1f} %", *process.cpu_seconds / seconds_of(sample) * 100));
  if (process.rss_bytes) row.add("RSS " + bytes(*process.rss_bytes));
  if (process.memory_bytes) row.add("memory " + bytes(*process.memory_bytes));
  if (process.fds)
    row.add(process.fd_limit ? fmt::format("fds {} of {}", *process.fds, *process.fd_limit)
                             : fmt::format("fds {}", *process.fds));
  add_count(row, process.threads, "threads");
  add_count(row, process.processes, "processes");
  row.end();
}

void put_sockets(std::string& out, const Sample& sample, size_t columns) {
  const auto& sockets = sample.sockets;
  Row row(out, "sockets", columns);
  add_count(row, sockets.inbound, "in");
  add_count(row, sockets.outbound, "out");
  add_count(row, sockets.connecting, "connecting");
  add_count(row, sockets.close_wait, "close-wait");
  if (sockets.accept_queue && sockets.accept_limit)
    row.add(fmt::format("accept queue {} of {}", *sockets.accept_queue, *sockets.accept_limit));
  if (sockets.rtt_seconds) row.add("round trip " + duration(*sockets.rtt_seconds));
  add_count(row, sockets.retransmits, "retransmitted");
  row.end();
}

void put_values(std::string& out, const Sample& sample, size_t columns) {
  Row counters(out, "counters", columns);
  for (const auto& counter : sample.counters)
    counters.add(fmt::format("{} {:.6g}", counter.name, counter.value));
  counters.end();
  Row gauges(out, "gauges", columns);
  for (const auto& gauge : sample.gauges)
    gauges.add(fmt::format("{} {:.6g}", gauge.name, gauge.value));
  gauges.end();
  for (const auto& absent : sample.absent) {
    Row row(out, "absent", columns);
    row.add(fmt::format("{}: {}", absent.metric, absent.reason));
    row.end();
  }
}

void put_service(std::string& out, const Sample& sample, size_t columns) {
  out +=
      fmt::format("\n{}  {}  {}  ({:.3g} s to {})\n", sample.service,
                  sample.version.empty() ? "version unknown" : sample.version, name(sample.phase),
                  sample.interval_us / kMicroseconds, clock_time(sample.wall_us));
  if (!sample.selected.empty() && sample.selected != sample.version)
    out += fmt::format("  next start  {}\n", sample.selected);
  put_requests(out, sample, columns);
  put_process(out, sample, columns);
  put_sockets(out, sample, columns);
  put_values(out, sample, columns);
}

}  // namespace

void LiveScreen::take(std::string_view line) {
  auto parsed = capture::parse(line);
  if (!parsed) {
    ++skipped_;
    return;
  }
  if (const auto* sample = std::get_if<Sample>(&parsed->body)) return take(*sample);
  const auto* event = std::get_if<Event>(&parsed->body);
  if (event == nullptr || event->kind == EventKind::facts) return;
  if (events_.size() == kMostEvents) events_.pop_front();
  events_.push_back(fmt::format("{}  {}  {}{}{}{}{}", clock_time(event->wall_us), event->service,
                                name(event->kind), event->step.empty() ? "" : " ", event->step,
                                event->version.empty() ? "" : "  ", event->version));
}

void LiveScreen::take(const Sample& sample) {
  if (sample.history) return;
  auto last = samples_.find(sample.service);
  if (last == samples_.end()) {
    if (samples_.size() >= kMostServices) {
      ++skipped_;
      return;
    }
  } else if (sample.self && last->second.self) {
    const double used = sample.self->cpu_seconds - last->second.self->cpu_seconds;
    if (used >= 0) self_cpu_ = used / seconds_of(sample);
  }
  samples_[sample.service] = sample;
}

std::string LiveScreen::render(size_t columns) const {
  std::string out;
  if (auto host = samples_.find(kHost); host != samples_.end() && host->second.self) {
    const AgentSelf& self = *host->second.self;
    out += fmt::format("agent {} on {} at {}\n", self.version, host->second.from.host,
                       clock_time(host->second.wall_us));
    Row row(out, "itself", columns);
    row.add(self_cpu_ ? fmt::format("CPU {:.2f} %", *self_cpu_ * 100)
                      : fmt::format("CPU {:.2f} s", self.cpu_seconds));
    row.add("RSS " + bytes(self.rss_bytes));
    row.add(fmt::format("{} sent", self.messages_sent));
    row.add(fmt::format("{} dropped", self.ring_dropped));
    row.add(fmt::format("{} publishes failed", self.publish_failures));
    row.add(fmt::format("{} reconnects", self.reconnects));
    row.add(fmt::format("{} lines skipped", self.lines_skipped));
    row.add(fmt::format("{} late ticks", self.late_ticks));
    row.add("latest by " + duration(static_cast<double>(self.worst_late_us) / kMicroseconds));
    row.end();
  }
  for (const auto& [service, sample] : samples_)
    if (service != kHost) put_service(out, sample, columns);
  if (!events_.empty()) out += "\n";
  for (const auto& event : events_) out += event + "\n";
  if (skipped_ > 0) out += fmt::format("\n{} messages could not be shown\n", skipped_);
  return out;
}

}  // namespace serin::agent
