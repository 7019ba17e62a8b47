#pragma once

#include "aggregator/bus/bus.h"
#include "common/bus/handles.h"

namespace serin::aggregator {

/// Creates the streams of Serin that are missing and raises what is too small; never lowers, so a
/// setting that an operator has made larger stays. Blocks (2 s a request at most). The error says
/// which stream and what to do.
Result<void> ensure_streams(jsCtx* jet_stream, const Bus::StreamLimits& limits);

}  // namespace serin::aggregator
