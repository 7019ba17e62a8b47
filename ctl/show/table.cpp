#include "ctl/show/table.h"

#include <fmt/core.h>

#include <algorithm>

namespace serin::ctl {

Table::Table(std::vector<std::string> header) {
  rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> row) {
  rows_.push_back(std::move(row));
}

std::string Table::text(std::string_view indent) const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    if (row.empty()) continue;
    std::string line(indent);
    for (size_t i = 0; i < row.size(); ++i) line += padded(row[i], widths[i]) + "  ";
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

size_t width_of(std::string_view text) {
  const auto begins_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  };
  return static_cast<size_t>(std::ranges::count_if(text, begins_character));
}

std::string padded(std::string_view text, size_t width) {
  const size_t own = width_of(text);
  return std::string(text) + std::string(own < width ? width - own : 0, ' ');
}

std::string list_of(const std::vector<std::string>& words, size_t most) {
  if (words.empty()) return "none";
  const size_t shown = words.size() > most ? most - 1 : words.size();
  std::string out;
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i > 0 && i + 1 == words.size();
    out += (i == 0 ? "" : last ? " and " : ", ") + words[i];
  }
  if (shown < words.size()) out += fmt::format(" and {} more", words.size() - shown);
  return out;
}

}  // namespace serin::ctl
