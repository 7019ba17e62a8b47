#include "aggregator/api/target.h"

#include <fmt/core.h>

#include "schema/text.h"

namespace serin::aggregator {

namespace {

constexpr size_t kMostBytes = 2048;  // a deploy id, a version and a few filters are below 500
constexpr size_t kMostParts = 16;
constexpr size_t kMostParameters = 16;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> unescaped(std::string_view text, bool plus_is_space) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail("the address holds a % without two hexadecimal digits");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    result += c;
  }
  if (!is_plain_text(result))
    return fail("the address holds a control character, or bytes that are not UTF-8");
  return result;
}

/// Calls `take` for each piece between separators; an error ends it.
template <typename Take>
Result<void> split(std::string_view text, char separator, Take take) {
  while (true) {
    const size_t end = text.find(separator);
    if (auto taken = take(text.substr(0, end)); !taken) return taken;
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<Target> parse_target(std::string_view raw) {
  if (raw.size() > kMostBytes)
    return fail(fmt::format("the address is longer than {} bytes", kMostBytes));
  if (raw.empty() || raw[0] != '/') return fail("the address must begin with /");
  const size_t question = raw.find('?');
  Target target;
  auto path = split(raw.substr(1, question == std::string_view::npos ? question : question - 1),
                    '/', [&](std::string_view part) -> Result<void> {
                      auto text = unescaped(part, false);
                      if (!text) return std::unexpected(text.error());
                      target.path.push_back(std::move(*text));
                      if (target.path.size() > kMostParts)
                        return fail("the address has too many parts");
                      return {};
                    });
  if (!path) return std::unexpected(path.error());
  if (question == std::string_view::npos || question + 1 == raw.size()) return target;
  auto query = split(raw.substr(question + 1), '&', [&](std::string_view pair) -> Result<void> {
    const size_t equals = pair.find('=');
    auto key = unescaped(pair.substr(0, equals), true);
    auto value = unescaped(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!key || !value) return std::unexpected((key ? value : key).error());
    target.query.emplace_back(std::move(*key), std::move(*value));
    if (target.query.size() > kMostParameters) return fail("the address has too many parameters");
    return {};
  });
  if (!query) return std::unexpected(query.error());
  return target;
}

}  // namespace serin::aggregator
