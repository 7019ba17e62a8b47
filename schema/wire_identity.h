#pragma once

#include "sample_generated.h"
#include "schema/wire_buffer.h"

namespace serin::wire {

inline flatbuffers::Offset<fbs::Identity> put_identity(Builder& builder, const Identity& from) {
  const auto host = put_always(builder, from.host);
  const auto boot = put(builder, from.boot_id);
  return fbs::CreateIdentity(builder, host, boot, from.agent_start_us, from.sequence);
}

inline Identity read_identity(const fbs::Identity& from, Fields& faults) {
  return {.host = text(from.host(), "host", faults),
          .boot_id = text(from.boot_id(), "boot", faults),
          .agent_start_us = from.agent_start_us(),
          .sequence = from.sequence()};
}

}  // namespace serin::wire
