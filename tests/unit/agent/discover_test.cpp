#include "agent/discover/discover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/discover/apache_logs.h"
#include "agent/discover/listeners.h"
#include "agent/discover/nginx_logs.h"
#include "agent/discover/package_owner.h"
#include "agent/discover/port_probe.h"
#include "agent/discover/toml_text.h"
#include "agent/request/log_format.h"
#include "common/service_file.h"
#include "tests/unit/agent/temp_folder.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHead =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n";

/// A host of files: processes, units, packages.
class DiscoverTest : public testing::Test {
 protected:
  DiscoverTest() {
    write("proc/net/tcp", kHead);
    write("proc/1/stat", stat_of(1));
  }
  void write(const std::string& name, const std::string& text) { write_text(root_ / name, text); }
  static std::string stat_of(uint64_t start) {
    std::string text = "1 (x) S 0";
    for (int field = 5; field < 22; ++field) text += " 0";
    return text + " " + std::to_string(start) + " 0 0 0\n";
  }
  void link(const fs::path& target, const std::string& name) {
    fs::create_directories((root_ / name).parent_path());
    fs::create_symlink(target, root_ / name);
  }
  /// A process that listens on 127.0.0.1:`port`, in a unit of the host unless `group` says
  /// otherwise.
  void process(int pid, const std::string& group, const std::string& exe, int port,
               const std::string& cmdline = "") {
    const std::string folder = "proc/" + std::to_string(pid);
    char line[160];
    std::snprintf(line, sizeof(line),
                  "   0: 0100007F:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000 "
                  "1000        0 %d 1 0 100 0 0 10 0\n",
                  port, pid + 50'000);
    append_text(root_ / "proc/net/tcp", line);
    write(folder + "/cgroup", "0::" + group + "\n");
    write(folder + "/stat", stat_of(static_cast<uint64_t>(pid)));
    write(folder + "/cmdline", cmdline);
    link(exe, folder + "/exe");
    link("/", folder + "/cwd");
    link("socket:[" + std::to_string(pid + 50'000) + "]", folder + "/fd/3");
  }
  Discovery look(DiscoverOptions options = {}) {
    options.services = root_ / "services.d";
    return discover(HostTree(root_.path()), options);
  }
  ServiceFile only_proposal() {
    auto found = look();
    EXPECT_THAT(found.problems, testing::IsEmpty());
    if (found.proposals.size() != 1) {
      ADD_FAILURE() << printed(found, "/x");
      return {};
    }
    text_ = found.proposals[0].text;
    auto read = parse_service_file(text_, found.proposals[0].name + ".toml");
    EXPECT_TRUE(read) << text_ << read.error().message;
    return read ? *read : ServiceFile{};
  }

  TempFolder root_;
  std::string text_;
};

TEST_F(DiscoverTest, AReleaseFolderIsFoundBesideTheProgramAndIsRolledBackTo) {
  write("srv/shop/releases/v1/server", "");
  write("srv/shop/releases/v2/server", "");
  link("releases/v2", "srv/shop/current");
  process(7, "/system.slice/shop.service", "/srv/shop/releases/v2/server", 8080);
  auto file = only_proposal();
  EXPECT_THAT(std::get<ServiceFile::ByUnit>(file.process).units, ElementsAre("shop.service"));
  EXPECT_EQ(std::get<ServiceFile::VersionSymlink>(file.version).link, "/srv/shop/current");
  ASSERT_EQ(file.rollback.size(), 1U);
  EXPECT_EQ(file.rollback[0].releases, "/srv/shop/releases");
  EXPECT_THAT(text_, HasSubstr("# healthy = { http = \"http://127.0.0.1:8080/healthz\""));
}

TEST_F(DiscoverTest, AFolderThatHoldsTheLinkTooIsNoSafePlaceToGoBackTo) {
  write("opt/api-1/server", "");
  write("opt/other/file", "");
  link("/opt/api-1", "opt/api");
  process(7, "/system.slice/api.service", "/opt/api-1/server", 8080);
  auto file = only_proposal();
  EXPECT_EQ(std::get<ServiceFile::VersionSymlink>(file.version).link, "/opt/api");
  EXPECT_TRUE(file.rollback.empty());
  EXPECT_THAT(text_, HasSubstr("# Not active: /opt holds the link too"));
}

TEST_F(DiscoverTest, APackageIsKnownByItsListAndGoesBackWithItsKin) {
  write("var/lib/dpkg/info/app-bin:amd64.list", "/.\n/usr\n/usr/sbin/app\n");
  write("var/lib/dpkg/info/apple.list", "/usr/sbin/apple\n");
  write("var/lib/dpkg/status",
        "Package: app-bin\nStatus: install ok installed\nSource: app (1)\nVersion: 1-1\n\n"
        "Package: app-data\nStatus: install ok installed\nSource: app\nVersion: 1-1\n\n"
        "Package: app-old\nStatus: deinstall ok config-files\nSource: app\nVersion: 1-1\n");
  write("etc/app/app.conf", "");
  process(7, "/system.slice/app.service", "/usr/sbin/app", 80);
  auto file = only_proposal();
  EXPECT_EQ(std::get<ServiceFile::VersionPackage>(file.version).name, "app-bin");
  ASSERT_EQ(file.rollback.size(), 1U);
  EXPECT_THAT(file.rollback[0].packages, ElementsAre("app-bin", "app-data"));
  EXPECT_THAT(file.config, ElementsAre("/etc/app/*.conf"));
}

TEST_F(DiscoverTest, AnInterpretersPackageIsNotTheVersionOfWhatItRuns) {
  write("var/lib/dpkg/info/python3.list", "/usr/bin/python3.11\n");
  process(7, "/system.slice/job.service", "/usr/bin/python3.11", 80,
          std::string("python3\0-m\0http.server\0", 23));
  auto file = only_proposal();
  EXPECT_TRUE(std::holds_alternative<ServiceFile::VersionBuildId>(file.version));
  EXPECT_THAT(text_, HasSubstr("which no deploy changes"));
}

TEST_F(DiscoverTest, WhatGetsNoProposalIsNamedWithTheReason) {
  process(7, "/system.slice/ssh.service", "/usr/sbin/sshd", 22);
  process(8, "/user.slice/user-1000.slice/session-3.scope", "/usr/bin/nc", 9000);
  process(9, "/system.slice/serin-aggregator.service", "/usr/bin/serin-aggregator", 8420);
  auto found = look();
  EXPECT_TRUE(found.proposals.empty());
  const std::string text = printed(found, "/etc/serin/services.d");
  EXPECT_THAT(text, HasSubstr("ssh.service: part of the host"));
  EXPECT_THAT(text, HasSubstr("session-3.scope"));
  EXPECT_THAT(text, HasSubstr("serin-aggregator.service: Serin's own"));
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) EXPECT_EQ(text[at], '#');
  EXPECT_EQ(look({.infrastructure = ScanOptions::Infrastructure::included}).proposals.size(), 2U);
}

TEST_F(DiscoverTest, AUnitOfAUsersOwnManagerIsFoundByItsProgram) {
  process(7, "/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service", "/home/a/mine",
          8080);
  auto file = only_proposal();
  EXPECT_EQ(std::get<ServiceFile::ByExe>(file.process).path, "/home/a/mine");
  EXPECT_TRUE(file.rollback.empty());
}

TEST_F(DiscoverTest, TheOldestProcessStandsForTheUnitAndTwoUnitsNeverShareAName) {
  process(9, "/system.slice/system-web.slice/web@1.service", "/opt/x/web", 8081);
  process(8, "/system.slice/system-web.slice/web@1.service/worker.scope", "/opt/x/web", 8083);
  process(7, "/system.slice/web-1.service", "/opt/x/web", 8082);
  auto found = look();
  ASSERT_EQ(found.proposals.size(), 2U);
  EXPECT_EQ(found.proposals[0].name, "web-1");
  EXPECT_EQ(found.proposals[1].name, "web-1-2");
  EXPECT_THAT(found.proposals[1].text + found.proposals[0].text, HasSubstr("process 8,"));
}

TEST_F(DiscoverTest, AFileThatIsThereIsLeftAndAWatchedUnitIsNotProposedAgain) {
  process(7, "/system.slice/api.service", "/opt/x/api", 8080);
  write("services.d/api.toml", "unit = \"api.service\"\n");
  EXPECT_TRUE(look().proposals.empty());
  auto found = look({.only_unit = "api.service"});
  ASSERT_EQ(found.proposals.size(), 1U);
  auto said = write_proposals(found, root_ / "services.d");
  ASSERT_TRUE(said);
  EXPECT_THAT(said->front(), HasSubstr("left as it is"));
  EXPECT_EQ(HostTree(root_.path()).text("/services.d/api.toml"), "unit = \"api.service\"\n");
}

TEST_F(DiscoverTest, AnAccessLogInFrontCountsOnlyWhereEverythingInItIsTheServices) {
  write("etc/nginx/nginx.conf",
        "http { log_format t '$remote_addr $status $request_time';\n"
        "  upstream shop { server 127.0.0.1:8080; }\n"
        "  include conf.d/*.conf; }\n");
  write("etc/nginx/conf.d/a.conf",
        "server { access_log /var/log/a.log t; location / { proxy_pass http://shop/x; } }\n"
        "server { access_log /var/log/b.log t; location / { proxy_pass http://127.0.0.1:8080; }\n"
        "  location /other { proxy_pass http://10.0.0.1:80; } }\n");
  write("var/log/a.log", "");
  write("var/log/b.log", "");
  process(7, "/system.slice/nginx.service", "/usr/sbin/nginx", 80,
          "nginx: master process /usr/sbin/nginx -g daemon on;");
  process(8, "/system.slice/shop.service", "/opt/x/shop", 8080);
  auto found = look();
  ASSERT_EQ(found.proposals.size(), 2U);
  auto shop = parse_service_file(found.proposals[1].text, "shop.toml");
  ASSERT_TRUE(shop);
  ASSERT_EQ(shop->requests.size(), 1U);
  EXPECT_EQ(shop->requests[0].path, "/var/log/a.log");
  EXPECT_EQ(shop->requests[0].format, "$remote_addr $status $request_time");
  EXPECT_THAT(found.proposals[1].text, HasSubstr("requests of others stand in it too"));
  auto nginx = parse_service_file(found.proposals[0].text, "nginx.toml");
  ASSERT_TRUE(nginx);
  EXPECT_EQ(nginx->requests.size(), 2U);
}

TEST(Listeners, OnlyWhatListensCountsWhateverElseStandsThere) {
  const std::string text =
      std::string(kHead) +
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
      "12 1\n"
      "   1: 0100007F:1F91 0100007F:0001 01 00000000:00000000 00:00000000 00000000  1000        0 "
      "13 1\n"
      "   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 14 1\ngarbage 0A\n\n";
  auto found = parse_listeners(text);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], (Listener{.address = "127.0.0.1", .port = 8080, .inode = 12, .user = 1000}));
  EXPECT_EQ(found[1].address, "::1");
}

TEST(UnitPlaces, TheDeepestServiceCountsInEitherHierarchy) {
  EXPECT_EQ(unit_place("0::/system.slice/a.service/b.scope\n").unit, "a.service");
  EXPECT_EQ(unit_place("3:cpu:/\n1:name=systemd:/system.slice/old.service\n0::/\n").unit,
            "old.service");
  EXPECT_EQ(unit_place("0::/user.slice/user-5.slice/user@5.service/init.scope\n").unit, "");
  EXPECT_EQ(unit_place("").unit, "");
}

TEST(ApacheFormats, AreReadAsOurs) {
  EXPECT_EQ(format_of_apache(R"(%h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i")"),
            "apache");
  const auto timed = format_of_apache(R"(%v:%p %a %t "%r" %>s %b %{ms}T %{X-Id}o %{pid}P 100%%)");
  EXPECT_EQ(timed, R"($server_name:$server_port $remote_addr [$start_local] "$request" $status )"
                   "$body_bytes_sent $request_time_ms $sent_http_x_id $apache_P_pid 100%");
  EXPECT_TRUE(LogFormat::compile(timed, {}));
}

TEST(MetricsPages, OfferTheCounterOfRequestsItsStatusAndAHistogram) {
  auto page = read_metrics_page(
      "# TYPE promhttp_metric_handler_requests_total counter\n"
      "# TYPE app_http_requests_total counter\n"
      "app_http_requests_total{method=\"get\",code=\"200\"} 7\n"
      "# TYPE http_request_duration_seconds histogram\n");
  EXPECT_EQ(page.requests, "app_http_requests_total");
  EXPECT_EQ(page.status_label, "code");
  EXPECT_EQ(page.latency, "http_request_duration_seconds");
  EXPECT_EQ(read_metrics_page("# TYPE go_goroutines gauge\n").requests, "");
}

TEST(TomlTexts, HoldWhateverAFormatHolds) {
  EXPECT_EQ(toml_string("plain"), "\"plain\"");
  EXPECT_EQ(toml_string("\"$request\""), "'\"$request\"'");
  EXPECT_EQ(toml_string("a'b\"\n"), "\"a'b\\\"\\u000A\"");
  EXPECT_THAT(toml_comment("one\ntwo"), Not(HasSubstr("\ntwo")));
}

}  // namespace
}  // namespace serin::agent
