#include "agent/request/syslog.h"

#include <algorithm>
#include <array>

namespace serin::agent {
namespace {

constexpr size_t kMostTagBytes = 64;  // RFC 5424 allows 48

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The text up to the next blank, which is taken with it; nullopt when there is none.
std::optional<std::string_view> word(std::string_view& rest) {
  size_t end = rest.find(' ');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view found = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return found;
}

void skip_priority(std::string_view& rest) {
  if (!rest.starts_with('<')) return;
  size_t end = rest.substr(0, 5).find('>');
  if (end == std::string_view::npos || end < 2) return;
  if (std::ranges::all_of(rest.substr(1, end - 1), is_digit)) rest.remove_prefix(end + 1);
}

/// `Nov 20 12:51:05 `, or `2026-11-20T12:51:05.123456+00:00 `.
bool skip_time(std::string_view& rest) {
  constexpr std::string_view kOld = "aaa dd dd:dd:dd ";
  constexpr std::string_view kIso = "dddd-dd-ddTdd:dd:dd";
  auto fits = [&](std::string_view pattern) {
    return rest.size() >= pattern.size() &&
           std::ranges::equal(rest.substr(0, pattern.size()), pattern, [](char c, char p) {
             if (p == 'a') return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
             return p == 'd' ? is_digit(c) || c == ' ' : c == p;
           });
  };
  if (fits(kOld)) {
    rest.remove_prefix(kOld.size());
    return true;
  }
  return fits(kIso) && word(rest).has_value();
}

std::string_view without_end(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r') || text.ends_with('\0'))
    text.remove_suffix(1);
  return text;
}

/// `-`, or `[id name="value"]…` with `\"` and `\]` inside of values.
bool skip_structured(std::string_view& rest) {
  if (rest == "-") rest = {};
  if (rest.starts_with("- ")) rest.remove_prefix(2);
  while (rest.starts_with('[')) {
    size_t at = 1;
    bool quoted = false;
    for (; at < rest.size() && (quoted || rest[at] != ']'); ++at) {
      if (rest[at] == '\\')
        ++at;
      else if (rest[at] == '"')
        quoted = !quoted;
    }
    if (at >= rest.size()) return false;
    rest.remove_prefix(at + 1);
    if (rest.starts_with(' ')) {
      rest.remove_prefix(1);
      break;
    }
  }
  return true;
}

std::optional<SyslogMessage> parse_5424(std::string_view rest) {
  if (!skip_time(rest) && !(rest.starts_with("- ") && word(rest))) return std::nullopt;
  auto host = word(rest);
  auto tag = word(rest);
  auto pid = word(rest);
  auto id = word(rest);
  if (!host || !tag || !pid || !id || !skip_structured(rest)) return std::nullopt;
  constexpr std::string_view kMark = "\xEF\xBB\xBF";  // UTF-8 follows
  if (rest.starts_with(kMark)) rest.remove_prefix(kMark.size());
  return SyslogMessage{.tag = *tag, .text = without_end(rest)};
}

/// `tag: `, `tag[pid]: `, each behind a host's name or not.
std::optional<SyslogMessage> parse_3164(std::string_view rest) {
  if (!skip_time(rest)) return std::nullopt;
  for (int words = 0; words < 2; ++words) {
    auto tag = word(rest);
    if (!tag || tag->size() > kMostTagBytes) return std::nullopt;
    if (!tag->ends_with(':')) continue;
    tag->remove_suffix(1);
    return SyslogMessage{.tag = tag->substr(0, tag->find('[')), .text = without_end(rest)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<SyslogMessage> parse_syslog(std::string_view message) {
  size_t before = message.size();
  skip_priority(message);
  bool has_priority = message.size() < before;
  if (has_priority && message.starts_with("1 ")) return parse_5424(message.substr(2));
  return parse_3164(message);
}

}  // namespace serin::agent
