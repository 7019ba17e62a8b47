#include "agent/sampler/agent_self.h"

#include <time.h>
#include <unistd.h>

#include "agent/probe/proc_parse.h"
#include "common/file.h"

namespace serin::agent {

AgentSelf agent_self(const Uplink::Stats& uplink, uint64_t lines_skipped, uint64_t late_ticks) {
  AgentSelf self{.version = SERIN_VERSION,
                 .ring_dropped = uplink.ring_dropped,
                 .reconnects = uplink.reconnects,
                 .publish_failures = uplink.publish_failures,
                 .lines_skipped = lines_skipped,
                 .late_ticks = late_ticks};
  timespec cpu{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
    self.cpu_seconds = static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9;
  if (auto text = read_file("/proc/self/statm", 4096))
    if (auto pages = parse_statm_resident(*text))
      self.rss_bytes = *pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return self;
}

}  // namespace serin::agent
