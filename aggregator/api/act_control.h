#pragma once

#include <expected>
#include <string>

#include "aggregator/api/act_body.h"
#include "aggregator/api/live_view.h"
#include "schema/messages.h"

namespace serin::aggregator {

/// What an act would put into the stream, but for its id and who asks: `address` says what its
/// address names (kind, act, deploy, or service and version), `body` the rest. Refused where it
/// makes no sense now; the fold has the last word.
std::expected<Control, ActBodyError> control_of(const LiveView& view, const Control& address,
                                                const std::string& body);

}  // namespace serin::aggregator
