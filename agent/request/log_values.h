#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace serin::agent {

/// `200` to `599`, `000`; nullopt for anything else.
std::optional<uint16_t> parse_status(std::string_view text);

constexpr double kMostLogSeconds = 86'400;  ///< a request that took longer is a broken line

/// `0.012`, `12`; `3.5e-2` is not one, nor is anything above 10^16. nullopt otherwise.
std::optional<double> parse_amount(std::string_view text);
/// The same, at most kMostLogSeconds.
std::optional<double> parse_seconds(std::string_view text);

/// nginx's `0.010, 0.020 : 0.003` of several upstreams: their sum; `-` alone is nullopt.
std::optional<double> parse_upstream_seconds(std::string_view text);

}  // namespace serin::agent
