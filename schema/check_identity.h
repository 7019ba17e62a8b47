#pragma once

#include "schema/check.h"
#include "schema/fields.h"

namespace serin {

/// Samples and events say who speaks in the same way.
inline void check_identity(Fields& fields, const Identity& from, std::string_view service,
                           Origin origin) {
  const Need need = origin == Origin::wire ? Need::required : Need::optional;
  fields.host(from.host, "host");
  fields.text(from.boot_id, "boot", limits::kIdBytes, need);
  fields.most(from.agent_start_us, "agent_start", static_cast<uint64_t>(limits::kTimeUs));
  fields.expect(from.sequence > 0 || origin == Origin::capture, "sequence", "counts from 1");
  if (service != "_host") fields.service(service, "service");
}

/// Whether an age is believable is the fold's to decide and count; here it only must not overflow a
/// sum of times.
inline void check_times(Fields& fields, int64_t age_us, int64_t wall_us) {
  fields.expect(age_us >= -limits::kTimeUs && age_us <= limits::kTimeUs, "age", "is not a time");
  fields.time(wall_us, "wall");
}

}  // namespace serin
