#include "agent/live/live_uplink.h"

#include "schema/capture.h"

namespace serin::agent {

template <typename Message>
void LiveUplink::tell_of(const Message& message) {
  if (socket_ == nullptr || !socket_->has_listeners()) return;
  Message shown = message;
  shown.from.host = host_;
  shown.age_us = 0;
  socket_->tell(capture::format({.stored_us = shown.wall_us, .seq = 0, .body = std::move(shown)}));
}

void LiveUplink::send(Sample sample, uint64_t end_boot_us) {
  tell_of(sample);
  behind_->send(std::move(sample), end_boot_us);
}

void LiveUplink::send(Event event, uint64_t at_boot_us) {
  tell_of(event);
  behind_->send(std::move(event), at_boot_us);
}

}  // namespace serin::agent
