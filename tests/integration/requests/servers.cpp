#include "tests/integration/requests/servers.h"

#include <fmt/core.h>
#include <signal.h>

#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

/// A connection to see whether it is up would be a request in some logs: what listens is looked for
/// in the kernel's table.
bool listens(uint16_t port) {
  std::string wanted = fmt::format("0100007F:{:04X} 00000000:0000 0A", port);
  for (int i = 0; i < 500; ++i) {
    auto table = read_file("/proc/net/tcp", size_t{4} << 20);
    if (table && table->find(wanted) != std::string::npos) return true;
    ::usleep(20'000);
  }
  return false;
}

std::optional<RealServer> start(std::vector<std::string> argv, uint16_t port, int reopen_signal) {
  RealServer server{
      .program = Program(std::move(argv)), .port = port, .reopen_signal = reopen_signal};
  if (!listens(port)) return std::nullopt;
  return server;
}

}  // namespace

std::optional<RealServer> start_nginx(const ServerSetting& setting) {
  std::string nginx = installed("nginx");
  if (nginx.empty()) return std::nullopt;
  uint16_t port = free_port();
  std::string folder = setting.folder.string();
  std::string log = setting.syslog == 0
                        ? folder + "/access.log"
                        : fmt::format("syslog:server=127.0.0.1:{},tag=shop", setting.syslog);
  write_text(
      setting.folder / "nginx.conf",
      fmt::format(
          R"(daemon off; worker_processes 2; pid {0}/nginx.pid; error_log {0}/error.log; user root;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3; uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5;
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time';
  access_log {1} timed;
  server {{ listen 127.0.0.1:{2} backlog=512; location / {{ proxy_pass http://127.0.0.1:{3}; }} }}
}}
)",
          folder, log, port, setting.upstream));
  return start({nginx, "-c", folder + "/nginx.conf"}, port, SIGUSR1);
}

std::optional<RealServer> start_apache(const ServerSetting& setting) {
  std::string apache = installed("apache2");
  if (apache.empty()) return std::nullopt;
  uint16_t port = free_port();
  write_text(setting.folder / "apache.conf",
             fmt::format(R"(ServerRoot {0}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
ServerName localhost
PidFile {0}/apache.pid
Listen 127.0.0.1:{1}
User www-data
Group www-data
ErrorLog {0}/error.log
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{{Referer}}i\" \"%{{User-Agent}}i\" %D" timed
CustomLog {0}/access.log timed
ProxyPass / http://127.0.0.1:{2}/
)",
                         setting.folder.string(), port, setting.upstream));
  return start({apache, "-D", "FOREGROUND", "-f", setting.folder / "apache.conf"}, port, SIGUSR1);
}

std::optional<RealServer> start_haproxy(const ServerSetting& setting) {
  std::string haproxy = installed("haproxy");
  if (haproxy.empty()) return std::nullopt;
  uint16_t port = free_port();
  write_text(setting.folder / "haproxy.cfg", fmt::format(R"(global
  log 127.0.0.1:{0} local0
  log-tag shop
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen shop
  bind 127.0.0.1:{1}
  server one 127.0.0.1:{2}
)",
                                                         setting.syslog, port, setting.upstream));
  return start({haproxy, "-db", "-f", setting.folder / "haproxy.cfg"}, port, 0);
}

}  // namespace serin::agent
