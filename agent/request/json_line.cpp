#include "agent/request/json_line.h"

namespace serin::agent {
namespace {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  void skip_blank() {
    size_t at = rest_.find_first_not_of(" \t\r");
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at);
  }
  bool eat(char c) {
    skip_blank();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] char peek() {
    skip_blank();
    return rest_.empty() ? '\0' : rest_.front();
  }
  [[nodiscard]] bool at_end() { return peek() == '\0' && rest_.empty(); }

  /// The raw text of a string up to its closing quote.
  bool string(std::string_view& raw) {
    if (!eat('"')) return false;
    for (size_t at = 0; at < rest_.size(); ++at) {
      if (rest_[at] == '\\') {
        ++at;
      } else if (rest_[at] == '"') {
        raw = rest_.substr(0, at);
        rest_.remove_prefix(at + 1);
        return true;
      }
    }
    return false;
  }

  bool value(std::string_view& raw) {
    char first = peek();
    if (first == '"') return string(raw);
    raw = {};
    if (first == '{' || first == '[') return skip_nested();
    size_t end = rest_.find_first_of(",}] \t\r");
    raw = rest_.substr(0, end);
    rest_.remove_prefix(raw.size());
    return !raw.empty();
  }

 private:
  bool skip_nested() {
    size_t depth = 0;
    while (!rest_.empty()) {
      std::string_view ignored;
      char c = rest_.front();
      if (c == '"') {
        if (!string(ignored)) return false;
        continue;
      }
      rest_.remove_prefix(1);
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace

bool for_each_json_member(std::string_view line,
                          const std::function<bool(std::string_view, std::string_view)>& member) {
  Cursor cursor(line);
  if (!cursor.eat('{')) return false;
  if (cursor.eat('}')) return cursor.at_end();
  while (true) {
    std::string_view key, value;
    if (!cursor.string(key) || !cursor.eat(':') || !cursor.value(value) || !member(key, value))
      return false;
    if (cursor.eat('}')) return cursor.at_end();
    if (!cursor.eat(',')) return false;
  }
}

}  // namespace serin::agent
