#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/core/view.h"

// Times, counts and states in a person's words. What is said of metrics comes from the core
// (aggregator/core/words.h).

namespace serin::ctl {

std::string utc(int64_t time_us);        ///< "2026-11-20 12:30:04 UTC"; "never" for 0
std::string utc_clock(int64_t time_us);  ///< "12:30:04.250"
std::string seconds_between(int64_t from_us, int64_t to_us);  ///< "+3.8 s"
std::string grouped(uint64_t number);                         ///< "12,345"
/// "being watched", "rolled back, and the trouble is gone" …
std::string_view state_words(core::DeployState state);
/// The hosts that run it, or ran it.
std::vector<std::string> canary_names(const core::DeployView& deploy);
/// What spoke against a deploy that was rolled back: a metric or a guardrail; else "-".
std::string culprit(const core::DeployView& deploy);
/// A state in a word or two, for tables.
std::string state_name(core::DeployState state);

}  // namespace serin::ctl
