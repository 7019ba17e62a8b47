#pragma once

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "aggregator/core/view.h"
#include "schema/messages.h"

// Inside serin_render only: the header is heavy.

namespace serin::render {

/// Fields stay in the order in which a person reads them.
using Json = nlohmann::ordered_json;

/// JSON text. Bytes that are not UTF-8 become U+FFFD; they must not make an answer fail.
std::string text_of(const Json& json);

/// A JSON number, or null where absent or not finite.
inline Json number(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}
/// Empty means absent.
inline Json word(const std::string& value) {
  return value.empty() ? Json(nullptr) : Json(value);
}
/// RFC 3339; 0 means never: null.
Json time(int64_t time_us);
/// exp(log_evidence), capped at 1e300 so that it stays a JSON number.
Json evidence_of(std::optional<double> log_evidence);
Json json_of(const Reason& reason);
/// Without its series.
Json json_of(const core::MetricView& metric);

}  // namespace serin::render
