#include "agent/request/syslog_log.h"

#include "agent/request/syslog.h"

namespace serin::agent {

Result<std::unique_ptr<SyslogLog>> SyslogLog::make(const ServiceFile& service, size_t index,
                                                   const SourceSetting& setting) {
  auto lines = LineCounter::make(service, index);
  if (!lines) return std::unexpected(lines.error());
  const auto& requests = service.requests.at(index);
  return std::unique_ptr<SyslogLog>(
      new SyslogLog(std::move(*lines), requests.tag, setting, requests.listen));
}

void SyslogLog::start(const Timeline& timeline, Tallies& tallies) {
  feed_.open([this, &timeline, &tallies](std::string_view datagram) {
    auto message = parse_syslog(datagram);
    if (message && message->tag == tag_) lines_.count(message->text, timeline, wall_us_(), tallies);
  });
}

void SyslogLog::poll(const Timeline& /*timeline*/, int64_t /*now_us*/, Tallies& /*tallies*/) {
  feed_.drain();
}

std::string SyslogLog::no_latency() const {
  return lines_.format().has_latency() ? "" : "the log format has no $request_time";
}

}  // namespace serin::agent
