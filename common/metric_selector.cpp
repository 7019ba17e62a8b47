#include "common/metric_selector.h"

#include <fmt/core.h>

namespace serin {
namespace {

constexpr size_t kMostBytes = 512;
constexpr size_t kMostMatchers = 8;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// `label="value"` or `label!="value"`, taken from the front of `rest`.
Result<MetricSelector::Matcher> take_matcher(std::string_view& rest) {
  MetricSelector::Matcher matcher;
  const size_t equals = rest.find('=');
  std::string_view label = rest.substr(0, equals);
  if (equals != std::string_view::npos && label.ends_with('!')) {
    matcher.negated = true;
    label.remove_suffix(1);
  }
  matcher.label = trimmed(label);
  if (equals == std::string_view::npos || matcher.label.empty())
    return fail(fmt::format("\"{}\" is not label=\"value\"", rest));
  rest = trimmed(rest.substr(equals + 1));
  if (rest.starts_with('~')) return fail("=~ is not known here; write =\"5*\" for =~\"5.*\"");
  const size_t end = rest.find('"', 1);
  if (!rest.starts_with('"') || end == std::string_view::npos)
    return fail(fmt::format("the value of {} must stand in double quotes", matcher.label));
  matcher.pattern = rest.substr(1, end - 1);
  rest = trimmed(rest.substr(end + 1));
  return matcher;
}

}  // namespace

bool MetricSelector::matches_glob(std::string_view pattern, std::string_view text) {
  constexpr size_t kNone = std::string_view::npos;
  size_t p = 0, t = 0, star = kNone, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != kNone) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<MetricSelector> MetricSelector::parse(std::string_view text) {
  if (text.size() > kMostBytes) return fail(fmt::format("is longer than {} bytes", kMostBytes));
  MetricSelector selector;
  const size_t open = text.find('{');
  selector.name = trimmed(text.substr(0, open));
  if (selector.name.empty() || selector.name.find_first_of(" \t\r\n\"}=|:@#") != std::string::npos)
    return fail(fmt::format("\"{:.80}\" does not begin with the name of a metric", text));
  if (open == std::string_view::npos) return selector;
  std::string_view rest = trimmed(text.substr(open + 1));
  if (!rest.ends_with('}')) return fail(fmt::format("\"{:.80}\" does not end with }}", text));
  rest = trimmed(rest.substr(0, rest.size() - 1));
  while (!rest.empty()) {
    auto matcher = take_matcher(rest);
    if (!matcher) return std::unexpected(matcher.error());
    selector.matchers.push_back(std::move(*matcher));
    if (selector.matchers.size() > kMostMatchers)
      return fail(fmt::format("asks for more than {} labels", kMostMatchers));
    if (rest.empty()) break;
    if (!rest.starts_with(',')) return fail(fmt::format("\"{}\": a comma is missing", rest));
    rest = trimmed(rest.substr(1));
  }
  return selector;
}

}  // namespace serin
