#include "agent/request/log_presets.h"

#include <array>
#include <utility>

namespace serin::agent {
namespace {

using Preset = std::pair<std::string_view, std::string_view>;

// As the programs write them when nobody tells them otherwise, and where that holds no duration,
// with the duration appended as everybody does it.
constexpr std::array<Preset, 12> kPresets = {{
    {"apache",
     R"($remote_addr $ident $remote_user [$start_local] "$request" $status $bytes_sent "$http_referer" "$http_user_agent")"},
    {"apache_timed",  // combined, then %D
     R"($remote_addr $ident $remote_user [$start_local] "$request" $status $bytes_sent "$http_referer" "$http_user_agent" $request_time_us)"},
    {"combined",
     R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent")"},
    {"common",
     R"($remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent)"},
    {"envoy",
     R"([$start_iso8601] "$request" $status $envoy_flags $bytes_received $body_bytes_sent $request_time_ms $rest)"},
    {"envoy_json",
     R"({"start_time":"$start_iso8601","response_code":"$status","response_flags":"$envoy_flags","bytes_sent":"$body_bytes_sent","duration":"$request_time_ms","path":"$request_uri","x-envoy-origin-path":"$request_uri"})"},
    {"haproxy",  // option httplog
     R"($client [$start_haproxy] $frontend $backend/$server $tr/$tw/$tc/$ts/$request_time_ms $status $bytes_read $request_cookie $response_cookie $haproxy_state $connections $queues "$request)"},
    {"haproxy_https",  // option httpslog: the same up to the request, then TLS
     R"($client [$start_haproxy] $frontend $backend/$server $tr/$tw/$tc/$ts/$request_time_ms $status $bytes_read $request_cookie $response_cookie $haproxy_state $connections $queues "$request)"},
    {"json",
     R"({"status":"$status","request_time":"$request_time","upstream_response_time":"$upstream_response_time","time_local":"$time_local","time_iso8601":"$time_iso8601","msec":"$msec","request":"$request","body_bytes_sent":"$body_bytes_sent"})"},
    {"nginx",
     R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent")"},
    {"nginx_timed",
     R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time)"},
    {"upstream_timed",
     R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time $upstream_response_time)"},
}};

}  // namespace

std::string_view expand_preset(std::string_view text) {
  for (const auto& [name, format] : kPresets)
    if (name == text) return format;
  return text;
}

std::string preset_names() {
  std::string names;
  for (const auto& [name, format] : kPresets) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace serin::agent
