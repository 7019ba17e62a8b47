#include "agent/request/log_format.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "agent/request/json_line.h"
#include "agent/request/log_values.h"

namespace serin::agent {
namespace {

constexpr std::string_view kCombined =
    R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent")";
constexpr size_t kMaxFormatBytes =
    size_t{16} * 1024;  // nginx's own configuration lines are far shorter

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view without_dollar(std::string_view name) {
  if (name.starts_with('$')) name.remove_prefix(1);
  return name;
}

/// Where `literal` begins in `text`, by memchr on its first byte: literals are one to three bytes
/// long.
size_t find_literal(std::string_view text, std::string_view literal) {
  size_t at = 0;
  while (at + literal.size() <= text.size()) {
    const void* hit =
        std::memchr(text.data() + at, literal[0], text.size() - at - literal.size() + 1);
    if (hit == nullptr) break;
    at = static_cast<size_t>(static_cast<const char*>(hit) - text.data());
    if (std::memcmp(text.data() + at, literal.data(), literal.size()) == 0) return at;
    ++at;
  }
  return std::string_view::npos;
}

}  // namespace

std::string_view uri_of(std::string_view request, bool with_query) {
  size_t begin = request.find(' ');
  if (begin == std::string_view::npos) return {};
  std::string_view uri = request.substr(begin + 1);
  uri = uri.substr(0, uri.rfind(' '));
  return with_query ? uri : uri.substr(0, uri.find('?'));
}

LogFormat::Role LogFormat::role_of(std::string_view name) {
  if (name == "status") return Role::status;
  if (name == "request_time") return Role::request_time;
  if (name == "upstream_response_time") return Role::upstream_time;
  if (name == "time_local") return Role::time_local;
  if (name == "time_iso8601" || name == "time_iso8601_ms") return Role::time_iso8601;
  if (name == "msec") return Role::msec;
  if (name == "request") return Role::request;
  return Role::ignored;
}

Result<LogFormat> LogFormat::compile(std::string_view text, const Wanted& wanted) {
  LogFormat format;
  if (text.size() > kMaxFormatBytes) return fail("the log format is longer than 16 KiB");
  if (text == "json") {
    format.json_ = true;
    for (auto name : {"status", "request_time", "upstream_response_time", "time_local",
                      "time_iso8601", "msec", "request"})
      format.segments_.push_back({.name = name, .role = role_of(name), .until = {}});
  } else if (auto ok = format.compile_text(text == "combined" ? kCombined : text); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = format.bind(wanted); !ok) return std::unexpected(ok.error());
  return format;
}

Result<void> LogFormat::compile_text(std::string_view text) {
  std::string* literal = &lead_;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '$') {
      literal->push_back(text[at++]);
      continue;
    }
    bool braces = at + 1 < text.size() && text[at + 1] == '{';
    size_t begin = at + (braces ? 2 : 1);
    size_t end = begin;
    while (end < text.size() && is_name_char(text[end])) ++end;
    if (end == begin || (braces && (end == text.size() || text[end] != '}')))
      return fail(fmt::format("log format: no variable name after the $ at column {}", at + 1));
    if (!segments_.empty() && segments_.back().until.empty())
      return fail(fmt::format(
          "log format: ${} and ${} touch, so a line cannot be told apart; put a blank between them",
          segments_.back().name, text.substr(begin, end - begin)));
    std::string name(text.substr(begin, end - begin));
    Role role = role_of(name);
    for (const auto& earlier : segments_)
      if (earlier.name == name) role = Role::ignored;
    segments_.push_back({.name = std::move(name), .role = role, .until = {}});
    literal = &segments_.back().until;
    at = end + (braces ? 1 : 0);
  }
  auto has_status = [](const Segment& s) { return s.role == Role::status; };
  if (std::ranges::none_of(segments_, has_status))
    return fail(
        "log format: no $status in it, so errors could not be counted; known presets: combined, "
        "json");
  return {};
}

Result<void> LogFormat::bind(const Wanted& wanted) {
  auto has = [&](std::string_view name) {
    return std::ranges::any_of(segments_, [&](const Segment& s) { return s.name == name; });
  };
  auto derived = [](std::string_view name) {
    return name == "uri"           ? Derived::uri
           : name == "request_uri" ? Derived::request_uri
                                   : Derived::no;
  };
  auto locate = [&](std::string_view given, auto&& mark, Derived* by_request) -> Result<void> {
    std::string_view name = without_dollar(given);
    for (auto& segment : segments_) {
      if (segment.name != name) continue;
      mark(segment);
      return {};
    }
    if (json_) {
      segments_.push_back({.name = std::string(name), .role = Role::ignored, .until = {}});
      mark(segments_.back());
    }
    if (by_request != nullptr && has("request")) *by_request = derived(name);
    if (!json_ && (by_request == nullptr || *by_request == Derived::no))
      return fail(
          fmt::format("log format: it holds no ${}, which the service file asks for", name));
    return {};
  };
  derived_.assign(wanted.fields.size(), Derived::no);
  for (size_t i = 0; i < wanted.fields.size(); ++i)
    if (auto ok = locate(
            wanted.fields[i], [&](Segment& s) { s.wanted.push_back(i); }, &derived_[i]);
        !ok)
      return ok;
  if (wanted.version_field)
    if (auto ok = locate(
            *wanted.version_field, [](Segment& s) { s.is_version = true; }, nullptr);
        !ok)
      return ok;
  has_latency_ = has("request_time") || has("upstream_response_time");
  has_time_ = has("time_local") || has("time_iso8601") || has("time_iso8601_ms") || has("msec");
  return {};
}

bool LogFormat::parse(std::string_view line, LogFields& fields) {
  fields.status.reset();
  fields.seconds.reset();
  fields.end_us.reset();
  fields.end_is_coarse = false;
  fields.request = fields.version = {};
  fields.wanted.assign(derived_.size(), {});
  bool good = json_ ? parse_json(line, fields) : parse_text(line, fields);
  if (good && !derived_.empty()) derive(fields);
  return good;
}

bool LogFormat::parse_text(std::string_view line, LogFields& fields) {
  if (!line.starts_with(lead_)) return false;
  line.remove_prefix(lead_.size());
  for (size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    size_t end = line.size();
    if (!segment.until.empty()) end = find_literal(line, segment.until);
    if (end == std::string_view::npos) return false;
    if (!take(segment, line.substr(0, end), fields)) return false;
    line.remove_prefix(std::min(line.size(), end + segment.until.size()));
  }
  return true;  // what follows the format's last literal is a longer format's business
}

bool LogFormat::parse_json(std::string_view line, LogFields& fields) {
  bool has_status = false;
  bool good = for_each_json_member(line, [&](std::string_view key, std::string_view value) {
    for (const auto& segment : segments_) {
      if (segment.name != key) continue;
      has_status = has_status || segment.role == Role::status;
      return take(segment, value, fields);
    }
    return true;
  });
  return good && has_status;
}

bool LogFormat::take(const Segment& segment, std::string_view value, LogFields& fields) {
  for (size_t index : segment.wanted) fields.wanted[index] = value;
  if (segment.is_version && value != "-") fields.version = value;
  return segment.role == Role::ignored || take_role(segment.role, value, fields);
}

bool LogFormat::take_role(Role role, std::string_view value, LogFields& fields) {
  bool none = value == "-" || value.empty();
  bool coarse = false;
  std::optional<int64_t> end;
  switch (role) {
    case Role::ignored:
      return true;
    case Role::status:
      fields.status = parse_status(value);
      return none || fields.status.has_value();
    case Role::request_time:
      if (none) return true;
      fields.seconds = parse_seconds(value);
      return fields.seconds.has_value();
    case Role::upstream_time:
      if (!fields.seconds) fields.seconds = parse_upstream_seconds(value);
      return true;
    case Role::request:
      fields.request = value;
      return true;
    case Role::time_local:
      end = clock_.time_local(value);
      coarse = true;
      break;
    case Role::time_iso8601:
      end = LogClock::iso8601(value, coarse);
      break;
    case Role::msec:
      end = LogClock::msec(value);
      break;
  }
  if (!end) return none;
  if (fields.end_us && !fields.end_is_coarse) return true;  // a finer one was there already
  fields.end_us = end;
  fields.end_is_coarse = coarse;
  return true;
}

void LogFormat::derive(LogFields& fields) const {
  for (size_t i = 0; i < derived_.size(); ++i)
    if (derived_[i] != Derived::no && fields.wanted[i].empty())
      fields.wanted[i] = uri_of(fields.request, derived_[i] == Derived::request_uri);
}

}  // namespace serin::agent
