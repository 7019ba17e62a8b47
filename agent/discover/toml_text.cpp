#include "agent/discover/toml_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/probe/text_lines.h"

namespace serin::agent {
namespace {

constexpr size_t kColumns = 100;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

}  // namespace

std::string toml_string(std::string_view text) {
  const bool plain = std::ranges::none_of(text, is_control);
  if (plain && text.find_first_of("\"\\") == std::string_view::npos)
    return fmt::format("\"{}\"", text);
  if (plain && text.find('\'') == std::string_view::npos) return fmt::format("'{}'", text);
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (is_control(c)) {
      quoted += fmt::format("\\u{:04X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string toml_strings(const std::vector<std::string>& texts) {
  if (texts.size() == 1) return toml_string(texts.front());
  std::string list = "[";
  for (size_t i = 0; i < texts.size(); ++i) list += (i > 0 ? ", " : "") + toml_string(texts[i]);
  return list + "]";
}

std::string toml_comment(std::string_view text) {
  std::string lines;
  std::string line = "#";
  auto add = [&](std::string_view word) {
    if (line.size() > 1 && line.size() + 1 + word.size() > kColumns) {
      lines += line + "\n";
      line = "#";
    }
    line += ' ';
    for (char c : word) line += is_control(c) ? '?' : c;
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    add(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + line + "\n";
}

std::string commented_out(std::string_view lines) {
  std::string out;
  each_line(lines, [&](std::string_view line) {
    out += line.empty() ? "#\n" : fmt::format("# {}\n", line);
  });
  return out;
}

}  // namespace serin::agent
