#include "agent/request/request_source.h"

#include "agent/request/access_log.h"
#include "agent/request/probe.h"
#include "agent/request/prometheus.h"
#include "agent/request/statsd.h"
#include "agent/request/syslog_log.h"

namespace serin::agent {

Result<std::unique_ptr<RequestSource>> make_request_source(const ServiceFile& service, size_t index,
                                                           const SourceSetting& setting) {
  const std::string& source = service.requests.at(index).source;
  bool listens = source == "syslog" || source == "statsd";
  if ((listens && setting.datagrams == nullptr) ||
      ((source == "prometheus" || source == "probe") && setting.loop == nullptr))
    return fail(service.name + ": there is no loop to wait on");
  if (source == "syslog") return SyslogLog::make(service, index, setting);
  if (source == "statsd") return Statsd::make(service, index, setting);
  if (source == "prometheus") return Prometheus::make(service, index, setting);
  if (source == "probe") return Probe::make(service, index, setting);
  auto log = AccessLog::make(service, index, setting.state_dir, setting.boot_id);
  if (!log) return std::unexpected(log.error());
  return std::make_unique<AccessLog>(std::move(*log));
}

}  // namespace serin::agent
