#pragma once

#include <systemd/sd-bus.h>

#include "agent/service/unit_manager.h"

namespace serin::agent {

/// Reads the a{sv} where the message stands into `word`: properties of
/// org.freedesktop.systemd1.Unit and .Service by name; those that are not in it stay as they are,
/// unknown ones are skipped. False for a message that is no such array.
bool read_properties(sd_bus_message* message, UnitWord& word);

}  // namespace serin::agent
