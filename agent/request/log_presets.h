#pragma once

#include <string>
#include <string_view>

namespace serin::agent {

/// The log format behind a preset's name, in the notation of LogFormat; the text itself when it is
/// no preset's name.
std::string_view expand_preset(std::string_view text);
/// The names, for messages: "apache, apache_timed, …".
std::string preset_names();

}  // namespace serin::agent
