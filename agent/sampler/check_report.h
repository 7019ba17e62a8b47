#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sampler/service_check.h"

namespace serin::agent {

/// All that `serin-agent check` found, to be shown as text or as one JSON object.
struct CheckReport {
  struct Part {
    std::string service;  ///< empty: the host itself
    std::vector<ServiceCheck::Line> lines;
    [[nodiscard]] bool is_good() const;
  };
  std::string version, host, config;
  std::vector<Part> parts;  ///< the host first

  /// No line is BAD.
  [[nodiscard]] bool is_good() const;
  [[nodiscard]] std::string text() const;
  /// {"version", "host", "config", "good", "lines": […], "services": [{"name", "good", "lines"}]};
  /// a line is {"mark": "ok"|"note"|"bad", "topic", "text", "fix"}.
  [[nodiscard]] std::string json() const;
};

}  // namespace serin::agent
