#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace serin::ctl {

/// Columns for a terminal: as wide as their widest cell, two blanks between them, none at the end
/// of a line. Nothing is cut: what scripts should read is `--output json`.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void add(std::vector<std::string> row);
  [[nodiscard]] size_t rows() const { return rows_.size() - 1; }
  [[nodiscard]] std::string text(std::string_view indent = {}) const;

 private:
  std::vector<std::vector<std::string>> rows_;  ///< the header first, if there is one
};

/// Characters of a UTF-8 text.
size_t width_of(std::string_view text);
/// With blanks behind it, up to that width.
std::string padded(std::string_view text, size_t width);
/// "a, b and c"; beyond `most` "a, b and 3 more". An empty list is "none".
std::string list_of(const std::vector<std::string>& words, size_t most);

}  // namespace serin::ctl
