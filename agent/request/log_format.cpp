#include "agent/request/log_format.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "agent/request/json_line.h"
#include "agent/request/log_presets.h"
#include "agent/request/log_roles.h"
#include "agent/request/syslog.h"

namespace serin::agent {
namespace {

constexpr size_t kMaxFormatBytes =
    size_t{16} * 1024;  // nginx's own configuration lines are far shorter

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view without_dollar(std::string_view name) {
  if (name.starts_with('$')) name.remove_prefix(1);
  return name;
}

/// A client may send quotes, which Apache writes with a backslash: those end nothing.
bool is_escaped(std::string_view text, size_t at) {
  size_t backslashes = 0;
  while (backslashes < at && text[at - 1 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 1;
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
    if (std::memcmp(text.data() + at, literal.data(), literal.size()) == 0 &&
        (literal[0] != '"' || !is_escaped(text, at)))
      return at;
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

Result<LogFormat> LogFormat::compile(std::string_view text, const Wanted& wanted) {
  LogFormat format;
  if (text.size() > kMaxFormatBytes) return fail("the log format is longer than 16 KiB");
  text = expand_preset(text);
  if (!format.compile_json(text))
    if (auto ok = format.compile_text(text); !ok) return std::unexpected(ok.error());
  auto has_status = [](const Segment& s) { return s.role == LogRole::status; };
  if (std::ranges::none_of(format.segments_, has_status))
    return fail("log format: no $status in it, so errors could not be counted; known presets: " +
                preset_names());
  if (auto ok = format.bind(wanted); !ok) return std::unexpected(ok.error());
  return format;
}

/// True for an object whose every value is one variable, as a line then may hold them in any order.
bool LogFormat::compile_json(std::string_view text) {
  if (!text.starts_with('{')) return false;
  json_ = for_each_json_member(text, [&](std::string_view key, std::string_view value) {
    bool braces = value.starts_with("${") && value.ends_with('}');
    std::string_view name = without_dollar(value);
    if (braces) name = value.substr(2, value.size() - 3);
    if (name.size() == value.size() || !std::ranges::all_of(name, is_name_char)) return false;
    segments_.push_back(
        {.name = std::string(name), .key = std::string(key), .role = role_of(name), .until = {}});
    return true;
  });
  if (!json_) segments_.clear();
  return json_;
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
    LogRole role = role_of(name);
    for (const auto& earlier : segments_)
      if (earlier.name == name) role = LogRole::ignored;
    segments_.push_back({.name = std::move(name), .key = {}, .role = role, .until = {}});
    literal = &segments_.back().until;
    at = end + (braces ? 1 : 0);
  }
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
      if (segment.name != name && segment.key != name) continue;
      mark(segment);
      return {};
    }
    if (json_) {
      segments_.push_back({.name = std::string(name),
                           .key = std::string(name),
                           .role = LogRole::ignored,
                           .until = {}});
      mark(segments_.back());
    }
    if (by_request != nullptr && (has("request") || has("request_uri")))
      *by_request = derived(name);
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
  has_latency_ = std::ranges::any_of(segments_, is_latency, &Segment::role);
  has_time_ = std::ranges::any_of(segments_, is_time, &Segment::role);
  has_body_bytes_ = has("body_bytes_sent");
  return {};
}

bool LogFormat::parse(std::string_view line, LogFields& fields) {
  if (behind_header_) {
    if (auto message = parse_syslog(line); message && parse_bare(message->text, fields))
      return true;
    behind_header_ = false;
  }
  if (parse_bare(line, fields)) return true;
  auto message = parse_syslog(line);
  behind_header_ = message && parse_bare(message->text, fields);
  return behind_header_;
}

bool LogFormat::parse_bare(std::string_view line, LogFields& fields) {
  fields.status.reset();
  fields.seconds.reset();
  fields.end_us.reset();
  fields.start_us.reset();
  fields.body_bytes.reset();
  fields.end_is_coarse = fields.start_is_coarse = fields.client_left = false;
  fields.request = fields.request_uri = fields.version = {};
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
      if (segment.key != key) continue;
      has_status = has_status || segment.role == LogRole::status;
      return take(segment, value == "null" ? std::string_view{} : value, fields);
    }
    return true;
  });
  return good && has_status;
}

bool LogFormat::take(const Segment& segment, std::string_view value, LogFields& fields) {
  for (size_t index : segment.wanted) fields.wanted[index] = value;
  if (segment.is_version && value != "-") fields.version = value;
  return segment.role == LogRole::ignored || take_role(segment.role, value, clock_, fields);
}

void LogFormat::derive(LogFields& fields) const {
  for (size_t i = 0; i < derived_.size(); ++i) {
    if (derived_[i] == Derived::no || !fields.wanted[i].empty()) continue;
    std::string_view uri =
        fields.request_uri.empty() ? uri_of(fields.request, true) : fields.request_uri;
    fields.wanted[i] = derived_[i] == Derived::request_uri ? uri : uri.substr(0, uri.find('?'));
  }
}

}  // namespace serin::agent
