#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace serin::agent {

/// A TOML string: literal where it can be, as log formats are full of double quotes.
std::string toml_string(std::string_view text);
/// One string, or a list of several.
std::string toml_strings(const std::vector<std::string>& texts);
/// Each line behind "# ", wrapped at blanks to 100 columns.
std::string toml_comment(std::string_view text);
/// Lines that would count, put behind "# " as they are.
std::string commented_out(std::string_view lines);

}  // namespace serin::agent
