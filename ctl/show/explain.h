#pragma once

#include <string>

#include "aggregator/core/view.h"

namespace serin::ctl {

/// Everything about one deploy, for somebody who has never read one: what happened, why, what was
/// compared, what it cost, the hosts, the timeline.
std::string explain(const core::DeployView& deploy);

/// The part of it that tells what was compared, metric by metric.
std::string compared(const core::DeployView& deploy);

/// One line of a timeline: clock, seconds since the deploy opened, what, where.
std::string timeline_line(const core::DeployView& deploy, const core::TimelineEntry& entry);

/// Where a deploy stands, in one line: for progress.
std::string standing(const core::DeployView& deploy, int64_t now_us);

}  // namespace serin::ctl
