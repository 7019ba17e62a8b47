#pragma once

#include <array>
#include <memory>
#include <span>

#include "aggregator/core/judge/count_family.h"

// What the kernel counts against a service: connections that it could not open, and such to it that
// were dropped because it did not accept them in time. More of it hurts; none at all is usual. Per
// request of the service, compared like errors, but in bursts: a partner that is away for a second
// fails dozens of connects at once, and says one thing by it.

namespace serin::judge {

enum class Harm { failed_connects, accept_overflows };
inline constexpr std::array kHarms = {Harm::failed_connects, Harm::accept_overflows};

/// Whether the past shows that agents count it, and over enough requests to know how rare it is.
bool harm_present(Harm harm, std::span<const HostHistory> history);

std::unique_ptr<Family> make_harm_family(const Options& options, Harm harm, double alpha,
                                         std::span<const HostHistory> history);

}  // namespace serin::judge
