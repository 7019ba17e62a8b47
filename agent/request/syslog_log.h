#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/request/datagram_feed.h"
#include "agent/request/line_counter.h"
#include "agent/request/request_source.h"

namespace serin::agent {

/// An access log that comes by syslog, so that no disk is needed. One socket may bring the logs of
/// several services, which their tags tell apart; messages with another tag, or without one, are
/// somebody else's. Lines are counted as they come.
class SyslogLog : public RequestSource {
 public:
  static Result<std::unique_ptr<SyslogLog>> make(const ServiceFile& service, size_t index,
                                                 const SourceSetting& setting);

  void start(const Timeline& timeline, Tallies& tallies) override;
  void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) override;
  [[nodiscard]] bool is_complete() const override { return feed_.is_complete(); }
  [[nodiscard]] uint64_t skipped() const override {
    return lines_.unparsed() + lines_.late() + feed_.lost();
  }
  [[nodiscard]] std::string problem() const override { return feed_.problem(); }
  [[nodiscard]] std::string no_latency() const override;
  [[nodiscard]] bool knows_sizes() const override { return lines_.format().has_body_bytes(); }

 private:
  SyslogLog(LineCounter lines, std::string tag, const SourceSetting& setting, std::string listen)
      : lines_(std::move(lines)),
        tag_(std::move(tag)),
        wall_us_(setting.wall_us),
        feed_(*setting.datagrams, std::move(listen)) {}

  LineCounter lines_;
  std::string tag_;
  std::function<int64_t()> wall_us_;
  DatagramFeed feed_;
};

}  // namespace serin::agent
