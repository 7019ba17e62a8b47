#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace serin::agent {

/// `200` to `599`, `000`; nullopt for anything else.
std::optional<uint16_t> parse_status(std::string_view text);

/// `0.012`, `12`, `3.5e-2` is not one. At most a day: more is a broken line. nullopt otherwise.
std::optional<double> parse_seconds(std::string_view text);

/// nginx's `0.010, 0.020 : 0.003` of several upstreams: their sum; `-` alone is nullopt.
std::optional<double> parse_upstream_seconds(std::string_view text);

}  // namespace serin::agent
