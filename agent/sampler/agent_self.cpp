#include "agent/sampler/agent_self.h"

#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include "agent/probe/proc_parse.h"
#include "common/file.h"
#include "common/log.h"

namespace serin::agent {
namespace {

constexpr mode_t kMode = 0644;  // the collector is another user

/// One family after the other, each with its HELP and TYPE.
class Text {
 public:
  void counter(std::string_view name, std::string_view help, double value) {
    add(name, "counter", help, value);
  }
  void gauge(std::string_view name, std::string_view help, double value) {
    add(name, "gauge", help, value);
  }
  void counter(std::string_view name, std::string_view help, uint64_t value) {
    counter(name, help, static_cast<double>(value));
  }
  void gauge(std::string_view name, std::string_view help, uint64_t value) {
    gauge(name, help, static_cast<double>(value));
  }
  void info(std::string_view version) {
    text_ += fmt::format(
        "# HELP serin_agent_info The agent's version\n# TYPE serin_agent_info gauge\n"
        "serin_agent_info{{version=\"{}\"}} 1\n",
        version);
  }
  std::string take() { return std::move(text_); }

 private:
  void add(std::string_view name, std::string_view type, std::string_view help, double value) {
    text_ +=
        fmt::format("# HELP serin_agent_{0} {1}\n# TYPE serin_agent_{0} {2}\nserin_agent_{0} {3}\n",
                    name, help, type, value);
  }
  std::string text_;
};

}  // namespace

AgentSelf agent_self(const Uplink::Stats& uplink, const LoopCounts& counts) {
  AgentSelf self{.version = SERIN_VERSION,
                 .ring_dropped = uplink.ring_dropped,
                 .reconnects = uplink.reconnects,
                 .publish_failures = uplink.publish_failures,
                 .lines_skipped = counts.lines_skipped,
                 .late_ticks = counts.late_ticks,
                 .worst_late_us = counts.worst_late_us,
                 .messages_sent = uplink.acked};
  timespec cpu{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
    self.cpu_seconds = static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9;
  if (auto text = read_file("/proc/self/statm", 4096))
    if (auto pages = parse_statm_resident(*text))
      self.rss_bytes = *pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return self;
}

std::string metrics_text(const AgentSelf& self, const Uplink::Stats& uplink) {
  Text text;
  text.info(self.version);
  text.gauge("connected", "Whether NATS answers", uplink.connected ? 1.0 : 0.0);
  text.counter("cpu_seconds_total", "CPU time of the agent", self.cpu_seconds);
  text.gauge("resident_memory_bytes", "Memory of the agent", self.rss_bytes);
  text.counter("messages_sent_total", "Messages that the bus has acknowledged", self.messages_sent);
  text.counter("messages_dropped_total", "Messages that were given up unsent", self.ring_dropped);
  text.gauge("messages_waiting", "Messages that wait to be acknowledged",
             uint64_t{uplink.ring_messages});
  text.gauge("waiting_bytes", "Their size", uint64_t{uplink.ring_bytes});
  text.counter("publish_failures_total", "Messages that had to be sent again",
               self.publish_failures);
  text.counter("reconnects_total", "Times that the connection came back", self.reconnects);
  text.counter("lines_skipped_total", "Log lines that had another format, or were too long",
               self.lines_skipped);
  text.counter("late_ticks_total", "Samples taken more than half a second late", self.late_ticks);
  text.gauge("worst_lateness_seconds", "The latest sample since the heartbeat before",
             static_cast<double>(self.worst_late_us) / 1e6);
  return text.take();
}

void MetricsFile::write(const AgentSelf& self, const Uplink::Stats& uplink) {
  auto written = write_file_atomically(file_, metrics_text(self, uplink), kMode, Durability::crash);
  if (!written && !failing_)
    log::warning("{}; the unit needs ReadWritePaths={} and the folder must be the agent's to write",
                 written.error().message, file_.parent_path().string());
  failing_ = !written;
}

}  // namespace serin::agent
