#include "common/service_file.h"

#include <gtest/gtest.h>

#include "tests/unit/common/temporary_folder.h"

namespace serin {
namespace {

constexpr std::string_view kWhole = R"(unit = "api.service"
version = { symlink = "/srv/api/current" }

[[requests]]
source = "access_log"
path = "/var/log/nginx/api.access.log"
format = "$remote_addr … $status … $request_time"
version_field = "$upstream_http_x_version"
slo = "500ms"

[[business]]
name = "orders"
worse = "lower"
field = "$uri"
equals = "/checkout"

[[business]]
name = "refunds"
worse = "higher"

[[rollback]]
action = "release_symlink"
releases = "/srv/api/releases"
restart = "api.service"
healthy = { http = "http://127.0.0.1:8080/healthz", within = "30s" }
timeout = "3m"

[[rollback]]
action = "command"
command = ["/usr/local/bin/put-back", "api"]
restart = { command = ["/usr/bin/touch", "/srv/api/restart"] }
)";

Result<ServiceFile> parse(std::string_view text) {
  return parse_service_file(text, "/etc/serin/services.d/api.toml");
}

/// The problems of a text, without the path that stands before each line.
std::string problems_of(std::string_view text) {
  const auto service = parse(text);
  if (service) return "";
  std::string message = service.error().message;
  const std::string_view path = "/etc/serin/services.d/";
  for (size_t at = 0; (at = message.find(path, at)) != std::string::npos;)
    message.erase(at, path.size());
  return message;
}

/// A file whose process and version are in order, with `text` after it; `text` begins in line 3.
std::string problems_after_head(std::string_view text) {
  return problems_of("unit = \"api.service\"\nversion = { symlink = \"/srv/api/current\" }\n" +
                     std::string(text));
}

std::string rollback_problems(std::string_view text) {
  return problems_after_head(
      "[[rollback]]\naction = \"release_symlink\"\nreleases = \"/srv/api/releases\"\n" +
      std::string(text));
}

TEST(ServiceFile, AWholeFileIsReadAsWritten) {
  const auto service = parse(kWhole);
  ASSERT_TRUE(service) << service.error().message;
  EXPECT_EQ(service->name, "api");
  EXPECT_EQ(std::get<ServiceFile::ByUnit>(service->process).units,
            std::vector<std::string>{"api.service"});
  EXPECT_EQ(std::get<ServiceFile::VersionSymlink>(service->version).link, "/srv/api/current");

  ASSERT_EQ(service->requests.size(), 1u);
  const auto& requests = service->requests[0];
  EXPECT_EQ(requests.source, "access_log");
  EXPECT_EQ(requests.path, "/var/log/nginx/api.access.log");
  EXPECT_EQ(requests.format, "$remote_addr … $status … $request_time");
  EXPECT_EQ(requests.version_field, "$upstream_http_x_version");
  EXPECT_EQ(requests.slo_seconds, 0.5);

  ASSERT_EQ(service->business.size(), 2u);
  EXPECT_EQ(service->business[0].name, "orders");
  EXPECT_EQ(service->business[0].worse, ServiceFile::Business::Worse::lower);
  EXPECT_EQ(service->business[0].field, "$uri");
  EXPECT_EQ(service->business[0].equals, "/checkout");
  EXPECT_EQ(service->business[1].worse, ServiceFile::Business::Worse::higher);

  ASSERT_EQ(service->rollback.size(), 2u);
  const auto& first = service->rollback[0];
  EXPECT_EQ(first.action, "release_symlink");
  EXPECT_EQ(first.releases, "/srv/api/releases");
  EXPECT_EQ(first.link, "/srv/api/current");
  EXPECT_EQ(std::get<ServiceFile::RestartUnit>(first.restart).unit, "api.service");
  EXPECT_EQ(first.healthy.http, "http://127.0.0.1:8080/healthz");
  EXPECT_EQ(first.healthy.within_seconds, 30);
  EXPECT_EQ(first.timeout_seconds, 180);
  const auto& second = service->rollback[1];
  EXPECT_EQ(second.action, "command");
  EXPECT_EQ(second.argv, (std::vector<std::string>{"/usr/local/bin/put-back", "api"}));
  EXPECT_EQ(std::get<ServiceFile::RestartCommand>(second.restart).argv,
            (std::vector<std::string>{"/usr/bin/touch", "/srv/api/restart"}));
  EXPECT_EQ(second.healthy.http, "");
  EXPECT_EQ(second.healthy.within_seconds, 20);
  EXPECT_EQ(second.timeout_seconds, 120);
}

TEST(ServiceFile, OneLineIsEnough) {
  const auto service = parse("exe = \"/srv/api/bin/api\"\n");
  ASSERT_TRUE(service) << service.error().message;
  EXPECT_EQ(std::get<ServiceFile::ByExe>(service->process).path, "/srv/api/bin/api");
  EXPECT_TRUE(std::holds_alternative<ServiceFile::VersionBuildId>(service->version));
  EXPECT_TRUE(service->requests.empty() && service->business.empty() && service->rollback.empty());
}

TEST(ServiceFile, AProcessIsFoundInExactlyOneWay) {
  const auto by_pid = parse("pid_file = \"/run/api.pid\"\n");
  ASSERT_TRUE(by_pid);
  EXPECT_EQ(std::get<ServiceFile::ByPidFile>(by_pid->process).path, "/run/api.pid");
  const auto by_units = parse("unit = [\"api-blue.service\", \"api@green.service\"]\n");
  ASSERT_TRUE(by_units);
  EXPECT_EQ(std::get<ServiceFile::ByUnit>(by_units->process).units.size(), 2u);

  EXPECT_EQ(
      problems_of(""),
      "api.toml: missing key 'unit': the systemd unit that runs the service; or pid_file, or exe");
  EXPECT_EQ(problems_of("unit = \"api.service\"\npid_file = \"/run/api.pid\"\n"),
            "api.toml:2: 'pid_file' is one too many: give one of unit, pid_file and exe");
  EXPECT_EQ(problems_of("exe = \"/bin/a\"\npid_file = \"/run/api.pid\"\n"),
            "api.toml:1: 'exe' is one too many: give one of unit, pid_file and exe");
}

TEST(ServiceFile, AUnitNameIsThatOfAService) {
  for (const auto* unit :
       {"\"api\"", "\"api.socket\"", "\".service\"", "\"-H.service\"", "\"a b.service\"",
        "\"a/b.service\"", "\"a\\nb.service\"", "[]", "[\"api.service\", \"x\"]"}) {
    EXPECT_EQ(
        problems_of(std::string("unit = ") + unit + "\n"),
        "api.toml:1: 'unit' must be a unit such as \"api.service\", or a list of at most 16 such")
        << unit;
  }
  EXPECT_EQ(problems_of("unit = 1\n"),
            "api.toml:1: 'unit' must be a text in quotes or a list of such, not a whole number");
}

TEST(ServiceFile, RelativeAndClimbingPathsAreRefused) {
  EXPECT_EQ(problems_of("exe = \"bin/api\"\n"),
            "api.toml:1: 'exe' must be an absolute path, not \"bin/api\"");
  EXPECT_EQ(problems_of("exe = \"\"\n"), "api.toml:1: 'exe' must be an absolute path, not \"\"");
  EXPECT_EQ(problems_of("pid_file = \"./api.pid\"\n"),
            "api.toml:1: 'pid_file' must be an absolute path, not \"./api.pid\"");
  EXPECT_EQ(problems_of("exe = \"/srv/../bin/api\"\n"),
            "api.toml:1: 'exe' must not go through \"..\": \"/srv/../bin/api\"");
  EXPECT_EQ(problems_of("exe = \"/srv/a\\u0000b\"\n"),
            "api.toml:1: 'exe' must be a path of at most 4095 bytes without control characters");
  EXPECT_EQ(problems_of("exe = \"/" + std::string(4095, 'a') + "\"\n"),
            "api.toml:1: 'exe' must be a path of at most 4095 bytes without control characters");
  EXPECT_EQ(rollback_problems("link = \"current\"\nrestart = \"api.service\"\n"),
            "api.toml:6: 'rollback.link' must be an absolute path, not \"current\"");
  EXPECT_EQ(problems_of("exe = \"/srv/a..b/..x\"\n"), "");
}

TEST(ServiceFile, AVersionHasOneSource) {
  const auto from_file = parse("exe = \"/a\"\nversion = { file = \"/srv/api/VERSION\" }\n");
  ASSERT_TRUE(from_file) << from_file.error().message;
  EXPECT_EQ(std::get<ServiceFile::VersionFile>(from_file->version).path, "/srv/api/VERSION");
  EXPECT_TRUE(parse("exe = \"/a\"\nversion = { build_id = true }\n"));

  const std::string one =
      "api.toml:2: 'version' must have exactly one source: symlink, file, package, build_id, "
      "command, http or unit_property";
  EXPECT_EQ(problems_of("exe = \"/a\"\nversion = {}\n"), one);
  EXPECT_EQ(problems_of("exe = \"/a\"\nversion = { symlink = \"/a\", file = \"/b\" }\n"), one);
  EXPECT_EQ(problems_of("exe = \"/a\"\nversion = { comand = [\"/a\"] }\n"),
            one + "\napi.toml:2: unknown key 'version.comand' (did you mean 'command'?)");
  EXPECT_EQ(
      problems_of("exe = \"/a\"\nversion = { build_id = false }\n"),
      "api.toml:2: 'version.build_id' can only be true; leave it out to choose another source");
  EXPECT_EQ(problems_of("exe = \"/a\"\nversion = \"1.2\"\n"),
            "api.toml:2: 'version' must be a table, not a text in quotes");
}

TEST(ServiceFile, AVersionCanBeAskedOfWhatRuns) {
  const auto command =
      parse("exe = \"/a\"\nversion = { command = [\"/srv/api/bin/api\", \"-V\"] }\n");
  ASSERT_TRUE(command) << command.error().message;
  EXPECT_TRUE(command->version_is_asked());
  EXPECT_EQ(std::get<ServiceFile::VersionCommand>(command->version).argv,
            (std::vector<std::string>{"/srv/api/bin/api", "-V"}));
  const auto http = parse(
      "exe = \"/a\"\nversion = { http = \"http://localhost:8080/v\", json = \"/build/a~1b\" }\n");
  ASSERT_TRUE(http) << http.error().message;
  EXPECT_EQ(std::get<ServiceFile::VersionHttp>(http->version).url.host, "127.0.0.1");
  EXPECT_EQ(std::get<ServiceFile::VersionHttp>(http->version).json, "/build/a~1b");
  const auto header =
      parse("exe = \"/a\"\nversion = { http = \"http://[::1]/\", header = \"X-Version\" }\n");
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(std::get<ServiceFile::VersionHttp>(header->version).header, "x-version");
  const auto unit = parse(
      "unit = \"api.service\"\nversion = { unit_property = \"Environment\", key = \"VERSION\" }\n");
  ASSERT_TRUE(unit) << unit.error().message;
  EXPECT_EQ(std::get<ServiceFile::VersionUnitProperty>(unit->version).key, "VERSION");
  EXPECT_FALSE(parse("exe = \"/a\"\n")->version_is_asked());
}

TEST(ServiceFile, AVersionThatCannotBeAskedForIsAProblem) {
  const auto version = [](const std::string& table) {
    return problems_of("exe = \"/a\"\nversion = { " + table + " }\n");
  };
  const std::string in = "api.toml:2: 'version.";
  EXPECT_EQ(version("command = [\"api\"]"),
            in + "command' must begin with the absolute path of a program; no shell reads it");
  EXPECT_EQ(version("command = []"),
            in + "command' must begin with the absolute path of a program; no shell reads it");
  EXPECT_EQ(version("http = \"https://127.0.0.1/v\""),
            in + "http' must begin with http://, as only what runs on this host is scraped");
  for (const auto* pointer : {"", "build", "/a~2", "/a~"})
    EXPECT_EQ(version("http = \"http://127.0.0.1/\", json = \"" + std::string(pointer) + "\""),
              in + "json' must be a JSON pointer, such as \"/build/version\"");
  EXPECT_EQ(version("http = \"http://127.0.0.1/\", header = \"a: b\""),
            in + "header' must be the name of a header, such as \"X-Version\"");
  EXPECT_EQ(version("http = \"http://127.0.0.1/\", header = \"a\", json = \"/a\""),
            in + "header' and json are one too many: both say where in the answer");
  EXPECT_EQ(version("file = \"/v\", json = \"/a\""), in + "json' belongs to http");
  EXPECT_EQ(version("file = \"/v\", key = \"A\""), in + "key' belongs to unit_property");
  EXPECT_EQ(version("http = \"http://127.0.0.1/\", heade = \"X\""),
            "api.toml:2: unknown key 'version.heade' (did you mean 'header'?)");
  EXPECT_EQ(version("unit_property = \"Description\""),
            in + "unit_property' needs unit: only systemd's units have properties");
  EXPECT_EQ(problems_of("unit = \"a.service\"\nversion = { unit_property = \"Environment\" }\n"),
            "api.toml:2: missing key 'version.key': the variable of the environment that holds the "
            "version");
  EXPECT_NE(version("container = \"api\", label = \"org.opencontainers.image.version\"")
                .find("command = [\"/usr/bin/podman\", \"inspect\""),
            std::string::npos);
}

TEST(ServiceFile, WhatTheHelperCannotSeeItCannotPutBack) {
  const std::string head = "exe = \"/a\"\nversion = { command = [\"/a\", \"-V\"] }\n[[rollback]]\n";
  EXPECT_NE(problems_of(head + "action = \"command\"\ncommand = [\"/put-back\"]\n")
                .find("api.toml:3: 'rollback' cannot work with a version that is asked for"),
            std::string::npos);
  EXPECT_EQ(problems_of(head + "action = \"release_symlink\"\nreleases = \"/srv/releases\"\n"
                               "link = \"/srv/current\"\nrestart = \"a.service\"\n"),
            "");
}

TEST(ServiceFile, ProbesAreRequestsOfTheAgentsOwn) {
  const auto probe = [](const std::string& rest) {
    return "exe = \"/a\"\n[[requests]]\nsource = \"probe\"\n" + rest;
  };
  const auto http = parse(probe("url = \"http://127.0.0.1:8080/healthz\"\ninterval = \"5s\"\n"));
  ASSERT_TRUE(http) << http.error().message;
  EXPECT_EQ(http->requests[0].url.target, "/healthz");
  EXPECT_EQ(http->requests[0].interval_seconds, 5);
  EXPECT_EQ(http->requests[0].timeout_seconds, 2);
  const auto tcp = parse(probe("url = \"tcp://[::1]:5432\"\n"));
  ASSERT_TRUE(tcp) << tcp.error().message;
  EXPECT_EQ(tcp->requests[0].url.target, "");
  EXPECT_EQ(tcp->requests[0].url.port, 5432);
  EXPECT_EQ(tcp->requests[0].timeout_seconds, 1);

  EXPECT_EQ(problems_of(probe("")),
            "api.toml:2: missing key 'requests.url': what is asked, such as "
            "http://127.0.0.1:8080/healthz or tcp://127.0.0.1:5432");
  EXPECT_EQ(
      problems_of(probe("url = \"https://127.0.0.1/\"\n")),
      "api.toml:4: 'requests.url' must begin with http:// or tcp://, as only what runs on this "
      "host is probed");
  for (const auto* url : {"tcp://127.0.0.1", "tcp://127.0.0.1:80/x", "tcp://[::1]"})
    EXPECT_EQ(problems_of(probe("url = \"" + std::string(url) + "\"\n")),
              "api.toml:4: 'requests.url' must be tcp://ADDRESS:PORT");
  const std::string url = "url = \"tcp://127.0.0.1:1\"\n";
  for (const auto* interval : {"500ms", "61s", "1500ms"})
    EXPECT_EQ(problems_of(probe(url + "interval = \"" + interval + "\"\ntimeout = \"100ms\"\n")),
              "api.toml:5: 'requests.interval' must be 1s to 60s, in whole seconds");
  EXPECT_EQ(
      problems_of(probe(url + "timeout = \"2s\"\n")),
      "api.toml:5: 'requests.timeout' must be 50ms to the interval, as there is one probe at a "
      "time; or give a longer interval");
}

TEST(ServiceFile, ProbesAndRealRequestsAreNotOneCount) {
  const std::string probe =
      "exe = \"/a\"\n[[requests]]\nsource = \"probe\"\nurl = \"tcp://127.0.0.1:1\"\n";
  EXPECT_EQ(problems_of(probe + "[[requests]]\nsource = \"recorder\"\n"),
            "api.toml:2: 'requests' must not be both probes and a source of real requests, as they "
            "would be one count; leave the probes out: real requests tell more");
  EXPECT_EQ(problems_of(probe + "[[requests]]\nsource = \"probe\"\nurl = \"tcp://127.0.0.1:2\"\n"),
            "");
  EXPECT_EQ(
      problems_of(probe + "[[business]]\nname = \"orders\"\nmetric = \"o\"\n"),
      "api.toml:5: 'business' is counted by a log, statsd, Prometheus or the recorder; a probe "
      "knows none");
}

TEST(ServiceFile, UnknownSourcesAreAnsweredWithWhatThereIs) {
  const std::string rest = "path = \"/log\"\nformat = \"combined\"\n";
  EXPECT_EQ(problems_after_head("[[requests]]\nsource = \"acces_log\"\n" + rest),
            "api.toml:4: 'requests.source' \"acces_log\" is not known; there are access_log, "
            "syslog, statsd, prometheus, recorder and probe");
  EXPECT_EQ(
      problems_after_head("[[requests]]\n"),
      "api.toml:3: missing key 'requests.source': where requests are counted: \"access_log\"\n"
      "api.toml:3: missing key 'requests.path': the log to follow\n"
      "api.toml:3: missing key 'requests.format': how a line is written: nginx log_format text, or "
      "a preset "
      "such as \"combined\"");
}

TEST(ServiceFile, EachSourceHasKeysOfItsOwn) {
  auto service = parse_service_file(
      "exe = \"/a\"\n"
      "[[requests]]\nsource = \"syslog\"\nformat = \"nginx\"\n"
      "[[requests]]\nsource = \"statsd\"\nlisten = \"127.0.0.1:8125\"\n"
      "requests = 'web.requests{env=\"prod\"}'\nstatus_label = \"code\"\nlatency = \"web.time\"\n"
      "latency_unit = \"s\"\nslo = \"1s\"\n"
      "[[requests]]\nsource = \"prometheus\"\nurl = \"http://localhost/metrics\"\n"
      "latency = [\"a_seconds\", \"b_seconds\"]\ninterval = \"5s\"\n"
      "[[business]]\nname = \"orders\"\nmetric = \"shop.orders\"\n",
      "/etc/serin/services.d/api.toml");
  ASSERT_TRUE(service) << service.error().message;
  const auto& syslog = service->requests.at(0);
  EXPECT_EQ(syslog.listen, "/run/serin/agent/syslog.sock");
  EXPECT_EQ(syslog.tag, "api");
  const auto& statsd = service->requests.at(1);
  EXPECT_EQ(statsd.listen, "127.0.0.1:8125");
  ASSERT_EQ(statsd.requests.size(), 1U);
  EXPECT_EQ(statsd.requests[0].name, "web.requests");
  EXPECT_EQ(statsd.requests[0].matchers,
            (std::vector<MetricSelector::Matcher>{{.label = "env", .pattern = "prod"}}));
  EXPECT_EQ(statsd.status_label, "code");
  EXPECT_EQ(statsd.latency_unit_seconds, 1);
  EXPECT_EQ(statsd.slo_seconds, 1);
  const auto& scraped = service->requests.at(2);
  EXPECT_EQ(scraped.url.host, "127.0.0.1");
  EXPECT_EQ(scraped.url.port, 80);
  EXPECT_EQ(scraped.url.target, "/metrics");
  EXPECT_EQ(scraped.latency.size(), 2U);
  EXPECT_EQ(scraped.interval_seconds, 5);
  EXPECT_TRUE(service->business.at(0).has_source());
}

TEST(ServiceFile, ARecorderNeedsNothingButItsName) {
  auto file = parse("exe = \"/a\"\n[[requests]]\nsource = \"recorder\"\n");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->requests.at(0).path, "/run/serin/agent/recorder");
  EXPECT_EQ(problems_after_head("[[requests]]\nsource = \"recorder\"\nformat = \"combined\"\n"),
            "api.toml:5: unknown key 'requests.format' (known here: path, slo, source)");
}

TEST(ServiceFile, AKeyOfAnotherSourceIsUnknown) {
  EXPECT_NE(problems_after_head("[[requests]]\nsource = \"statsd\"\nrequests = \"a\"\n"
                                "format = \"nginx\"\n")
                .find("'requests.format'"),
            std::string::npos);
}

TEST(ServiceFile, MetricsAndAddressesAreRefusedWithWhatIsWrong) {
  const std::string statsd = "[[requests]]\nsource = \"statsd\"\n";
  EXPECT_EQ(problems_after_head(statsd),
            "api.toml:3: missing key 'requests.requests': the metric that counts requests; or "
            "latency, which counts them too; or a [[business]] with a metric");
  EXPECT_EQ(problems_after_head(statsd + "requests = 'a{b=c}'\n"),
            "api.toml:5: 'requests.requests' the value of b must stand in double quotes");
  EXPECT_EQ(problems_after_head(statsd + "requests = 'a{b=~\"5..\"}'\n"),
            "api.toml:5: 'requests.requests' =~ is not known here; write =\"5*\" for =~\"5.*\"");
  EXPECT_EQ(problems_after_head(statsd + "latency = \"t\"\nstatus_label = \"code\"\n"),
            "api.toml:6: 'requests.status_label' needs requests, the metric that bears this label");
  EXPECT_EQ(problems_after_head(statsd + "requests = \"a\"\nlisten = \"8125\"\n"),
            "api.toml:6: 'requests.listen' must be the path of a socket, or a UDP address such as "
            "\"127.0.0.1:8125\"");
  EXPECT_EQ(problems_after_head(statsd + "requests = \"a\"\nlisten = \"/" + std::string(120, 'x') +
                                "\"\n"),
            "api.toml:6: 'requests.listen' is longer than the 107 bytes that a socket's path may "
            "have");
  const std::string scrape = "[[requests]]\nsource = \"prometheus\"\nrequests = \"a\"\n";
  EXPECT_EQ(problems_after_head(scrape + "url = \"https://x/metrics\"\n"),
            "api.toml:6: 'requests.url' must begin with http://, as only what runs on this host is "
            "scraped");
  EXPECT_EQ(problems_after_head(scrape + "url = \"http://:1/m\"\ninterval = \"0.1s\"\n"),
            "api.toml:6: 'requests.url' has no host and port: \":1\"\n"
            "api.toml:7: 'requests.interval' must be 1s to 60s");
}

TEST(ServiceFile, ASourceOfMetricsMayBeThereForTheBusinessAlone) {
  const std::string business = "[[business]]\nname = \"orders\"\nmetric = \"shop.orders\"\n";
  auto file = parse("exe = \"/a\"\n[[requests]]\nsource = \"statsd\"\n" + business);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE(file->requests.at(0).counts_requests());
  file = parse("exe = \"/a\"\n[[requests]]\nsource = \"prometheus\"\nurl = \"http://[::1]:1/m\"\n" +
               business);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE(file->requests.at(0).counts_requests());
  EXPECT_EQ(problems_after_head("[[requests]]\nsource = \"statsd\"\nerrors = \"e\"\n" + business),
            "api.toml:5: 'requests.errors' needs requests or latency: failures are a part of "
            "requests");
}

TEST(ServiceFile, ClassesOfRequestsComeFromAFieldOrALabel) {
  const std::string log =
      "exe = \"/a\"\n[[requests]]\nsource = \"access_log\"\npath = \"/log\"\nformat = \"nginx\"\n";
  auto file = parse(log +
                    "[[class]]\nname = \"checkout\"\nfield = \"$uri\"\nprefix = \"/checkout\"\n"
                    "[[class]]\nname = \"home\"\nfield = \"$uri\"\nequals = \"/\"\n");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->classes.size(), 2U);
  EXPECT_EQ(file->classes[0].name, "checkout");
  EXPECT_EQ(file->classes[0].prefix, "/checkout");
  EXPECT_EQ(file->classes[1].equals, "/");
  file = parse("exe = \"/a\"\n[[requests]]\nsource = \"recorder\"\n"
               "[[class]]\nname = \"api\"\nlabel = \"class\"\nequals = \"api\"\n");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->classes[0].label, "class");
}

TEST(ServiceFile, AClassIsBoundedAndHasOneWholeRule) {
  const std::string log =
      "[[requests]]\nsource = \"access_log\"\npath = \"/l\"\nformat = \"nginx\"\n";
  EXPECT_EQ(problems_after_head(log + "[[class]]\n"),
            "api.toml:7: missing key 'class.name': what these requests are called\n"
            "api.toml:7: missing key 'class.field': the field of the log to look at, such as "
            "\"$uri\"; or label, of a metric\n"
            "api.toml:7: missing key 'class.prefix': what the field or label of its requests begins "
            "with; or equals");
  EXPECT_EQ(problems_after_head(log + "[[class]]\nname = \"other\"\nfield = \"uri\"\n"
                                      "equals = \"/\"\nprefix = \"/a\"\nprefx = \"/b\"\n"),
            "api.toml:8: 'class.name' \"other\" is what the requests of no class are called\n"
            "api.toml:9: 'class.field' must be a field of the format, such as \"$uri\"\n"
            "api.toml:11: 'class.prefix' and equals are one too many\n"
            "api.toml:12: unknown key 'class.prefx' (did you mean 'prefix'?)");
  EXPECT_EQ(problems_after_head(log + "[[class]]\nname = \"" + std::string(65, 'x') +
                                "\"\nlabel = \"route\"\nequals = \"/\"\n"),
            "api.toml:7: 'class' \"" + std::string(64, 'x') +
                "\" has a label, which needs a [[requests]] of statsd, prometheus or recorder\n"
                "api.toml:8: 'class.name' must be 1 to 64 bytes without control characters");
  EXPECT_EQ(problems_after_head("[[class]]\nname = \"a\"\nfield = \"$uri\"\nequals = \"/\"\n"),
            "api.toml:3: 'class' \"a\" has a field, which needs a [[requests]] of access_log or "
            "syslog");
  const std::string one = "[[class]]\nname = \"a\"\nfield = \"$uri\"\nequals = \"/\"\n";
  EXPECT_EQ(problems_after_head(log + one + one), "api.toml:12: 'class.name' is given twice");
  std::string many;
  for (int i = 0; i < 16; ++i)
    many += "[[class]]\nname = \"" + std::to_string(i) + "\"\nfield = \"$uri\"\nequals = \"/\"\n";
  EXPECT_EQ(problems_after_head(log + many),
            "api.toml:7: 'class' must not be there more than 15 times");
}

TEST(ServiceFile, FieldsBeginWithADollarAndTimesAreNotNothing) {
  EXPECT_EQ(
      problems_after_head("[[requests]]\nsource = \"access_log\"\npath = \"/log\"\nformat = \"\"\n"
                          "version_field = \"version\"\nslo = \"0s\"\n"),
      "api.toml:6: 'requests.format' must be nginx log_format text of at most 4095 bytes, or a "
      "preset such as "
      "\"combined\"\n"
      "api.toml:7: 'requests.version_field' must be a field of the format, such as "
      "\"$upstream_http_x_version\"\n"
      "api.toml:8: 'requests.slo' must be more than nothing");
}

TEST(ServiceFile, ABusinessMetricHasANameOfItsOwnAndAWholeRule) {
  EXPECT_EQ(problems_after_head("[[business]]\nworse = \"less\"\n"),
            "api.toml:3: missing key 'business.name': what is counted, such as \"orders\"\n"
            "api.toml:4: 'business.worse' \"less\" is not known; there are lower, higher and both");
  EXPECT_EQ(problems_after_head("[[business]]\nname = \"errors\"\n"),
            "api.toml:4: 'business.name' \"errors\" is a metric that every service has; choose "
            "another name");
  EXPECT_EQ(problems_after_head("[[business]]\nname = \"My Orders\"\n"),
            "api.toml:4: 'business.name' must be 1 to 63 of a-z 0-9 _ -, beginning with a letter "
            "or digit");
  EXPECT_EQ(problems_after_head("[[business]]\nname = \"a\"\n[[business]]\nname = \"a\"\n"),
            "api.toml:6: 'business.name' is given twice");
  EXPECT_EQ(problems_after_head("[[business]]\nname = \"a\"\nfield = \"uri\"\n"),
            "api.toml:3: missing key 'business.equals': the value of the field that counts\n"
            "api.toml:5: 'business.field' must be a field of the format, such as \"$uri\"");
  EXPECT_EQ(problems_after_head("[[business]]\nname = \"a\"\nequals = \"/x\"\n"),
            "api.toml:3: missing key 'business.field': the field of the log to look at, such as "
            "\"$uri\"");
}

TEST(ServiceFile, UnknownActionsAreAnsweredWithWhatThereIs) {
  const std::string there = "there are release_symlink, package, flag and command";
  EXPECT_EQ(problems_after_head("[[rollback]]\naction = \"undo\"\ncommand = [\"/x\"]\n"),
            "api.toml:4: 'rollback.action' \"undo\" is not known; " + there);
  EXPECT_EQ(problems_after_head("[[rollback]]\n"),
            "api.toml:3: missing key 'rollback.action': what to do; " + there);
}

TEST(ServiceFile, APackageIsNamedByTheActionOrByTheVersion) {
  const auto whole = parse(
      "unit = \"api.service\"\nversion = { package = \"api\" }\n[[rollback]]\n"
      "action = \"package\"\nrestart = \"api.service\"\n");
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(std::get<ServiceFile::VersionPackage>(whole->version).name, "api");
  EXPECT_EQ(whole->rollback[0].packages, std::vector<std::string>{"api"});
  EXPECT_EQ(whole->rollback[0].package_version.before + whole->rollback[0].package_version.after,
            "");

  const auto several = parse(
      "exe = \"/a\"\nversion = { symlink = \"/l\" }\n[[rollback]]\naction = \"package\"\n"
      "package = [\"api\", \"libapi1.0+x\"]\npackage_version = \"1:{}-1\"\nrestart = "
      "\"a.service\"\n");
  ASSERT_TRUE(several) << several.error().message;
  EXPECT_EQ(several->rollback[0].packages.size(), 2U);
  EXPECT_EQ(several->rollback[0].package_version.before, "1:");
  EXPECT_EQ(several->rollback[0].package_version.after, "-1");

  EXPECT_EQ(
      problems_after_head("[[rollback]]\naction = \"package\"\n"),
      "api.toml:3: missing key 'rollback.package': the package to put back; needed as the version "
      "is not a package's\n"
      "api.toml:3: missing key 'rollback.restart': what makes the old version run: a unit, a "
      "command or a signal");
}

TEST(ServiceFile, APackagesNameAndVersionCanBeNothingElseOnACommandLine) {
  const std::string rest = "restart = \"a.service\"\n";
  for (const auto* name : {"", "-y", "a b", "api=1", "/tmp/x.deb", "api*", "a;b", "a\\nb"}) {
    EXPECT_EQ(
        problems_after_head("[[rollback]]\naction = \"package\"\npackage = \"" + std::string(name) +
                            "\"\n" + rest),
        "api.toml:5: 'rollback.package' must be the name of a package, or a list of at most 8")
        << name;
    EXPECT_EQ(problems_of("exe = \"/a\"\nversion = { package = \"" + std::string(name) + "\" }\n"),
              "api.toml:2: 'version.package' must be the name of a package")
        << name;
  }
  for (const auto* version : {"", "1", "{}{}", "{} ", "{}*", "{}/x", "{};x"}) {
    EXPECT_NE(problems_after_head("[[rollback]]\naction = \"package\"\npackage = \"a\"\n" + rest +
                                  "package_version = \"" + std::string(version) + "\"\n")
                  .find("api.toml:7: 'rollback.package_version' must hold {} once"),
              std::string::npos)
        << version;
  }
}

TEST(ServiceFile, AFlagIsTurnedOffByItsVariantOrItsState) {
  const std::string head =
      "[[rollback]]\naction = \"flag\"\nfile = \"/etc/flags.json\"\nflag = \"new\"\n";
  const std::string top = "exe = \"/a\"\nversion = { symlink = \"/l\" }\n";
  const auto by_variant = parse(top + head + "variant = \"off\"\n");
  ASSERT_TRUE(by_variant) << by_variant.error().message;
  EXPECT_EQ(by_variant->rollback[0].flag.file, "/etc/flags.json");
  EXPECT_EQ(by_variant->rollback[0].flag.variant, "off");
  const auto by_state = parse(top + head + "state = \"DISABLED\"\n");
  ASSERT_TRUE(by_state) << by_state.error().message;
  EXPECT_EQ(by_state->rollback[0].flag.variant, "");

  const std::string either =
      "is turned off either by its variant (such as \"off\") or by state = \"DISABLED\"";
  EXPECT_EQ(problems_after_head(head), "api.toml:6: 'rollback.flag' " + either);
  EXPECT_EQ(problems_after_head(head + "variant = \"off\"\nstate = \"DISABLED\"\n"),
            "api.toml:8: 'rollback.state' " + either);
  EXPECT_EQ(problems_after_head(head + "state = \"ENABLED\"\n"),
            "api.toml:7: 'rollback.state' can only be \"DISABLED\"");
  EXPECT_EQ(problems_after_head(head + "variant = \"a\\nb\"\n"),
            "api.toml:7: 'rollback.variant' must be 1 to 128 printable characters");
  EXPECT_EQ(problems_after_head("[[rollback]]\naction = \"flag\"\nvariant = \"off\"\n"),
            "api.toml:3: missing key 'rollback.file': flagd's JSON file with the flag\n"
            "api.toml:3: missing key 'rollback.flag': the name of the flag to turn off");
}

TEST(ServiceFile, AReleaseSymlinkNeedsFolderLinkAndRestart) {
  EXPECT_EQ(
      problems_after_head("[[rollback]]\naction = \"release_symlink\"\n"),
      "api.toml:3: missing key 'rollback.releases': the folder that holds one folder a release\n"
      "api.toml:3: missing key 'rollback.restart': what makes the old release run: a unit, a "
      "command or a "
      "signal");
  EXPECT_EQ(
      problems_of("exe = \"/a\"\n[[rollback]]\naction = \"release_symlink\"\nreleases = \"/r\"\n"
                  "restart = \"a.service\"\n"),
      "api.toml:2: missing key 'rollback.link': the link to switch; needed as the version is not "
      "that of a "
      "symlink");
  const auto own_link = parse(
      "exe = \"/a\"\n[[rollback]]\naction = \"release_symlink\"\nreleases = \"/r\"\nlink = \"/l\"\n"
      "restart = \"a.service\"\n");
  ASSERT_TRUE(own_link) << own_link.error().message;
  EXPECT_EQ(own_link->rollback[0].link, "/l");
}

TEST(ServiceFile, ARestartIsAUnitACommandOrASignal) {
  for (const auto* signal : {"HUP", "SIGHUP"}) {
    const auto service = parse(
        "exe = \"/a\"\nversion = { symlink = \"/l\" }\n[[rollback]]\n"
        "action = \"release_symlink\"\nreleases = \"/r\"\nrestart = { signal = \"" +
        std::string(signal) + "\" }\n");
    ASSERT_TRUE(service) << service.error().message;
    EXPECT_EQ(std::get<ServiceFile::RestartSignal>(service->rollback[0].restart).signal, "HUP");
  }
  EXPECT_EQ(rollback_problems("restart = { signal = \"KILLALL\" }\n"),
            "api.toml:6: 'rollback.restart.signal' \"KILLALL\" is not known; there are HUP, USR1, "
            "USR2, TERM, INT "
            "and QUIT");
  EXPECT_EQ(rollback_problems("restart = {}\n"),
            "api.toml:6: 'rollback.restart' must hold either a command or a signal");
  EXPECT_EQ(rollback_problems("restart = { signal = \"HUP\", command = [\"/x\"] }\n"),
            "api.toml:6: 'rollback.restart' must hold either a command or a signal");
  EXPECT_EQ(rollback_problems("restart = { comand = [\"/x\"] }\n"),
            "api.toml:6: 'rollback.restart' must hold either a command or a signal\n"
            "api.toml:6: unknown key 'rollback.restart.comand' (did you mean 'command'?)");
  EXPECT_EQ(rollback_problems("restart = { command = [\"systemctl\", \"restart\"] }\n"),
            "api.toml:6: 'rollback.restart.command' must begin with the absolute path of a "
            "program; no shell reads "
            "it");
  EXPECT_EQ(rollback_problems("restart = \"api\"\n"),
            "api.toml:6: 'rollback.restart' must be a unit such as \"api.service\", { command = "
            "[\"/abs/path\", …] } "
            "or { signal = \"HUP\" }");
  EXPECT_EQ(rollback_problems("restart = 5\n"),
            "api.toml:6: 'rollback.restart' must be a text in quotes, not a whole number");
}

TEST(ServiceFile, ACommandIsAProgramAndItsArguments) {
  EXPECT_EQ(problems_after_head("[[rollback]]\naction = \"command\"\n"),
            "api.toml:3: missing key 'rollback.command': the absolute program and its arguments");
  const std::string absolute =
      "api.toml:5: 'rollback.command' must begin with the absolute path of a program; no shell "
      "reads it";
  EXPECT_EQ(problems_after_head("[[rollback]]\naction = \"command\"\ncommand = []\n"), absolute);
  EXPECT_EQ(problems_after_head("[[rollback]]\naction = \"command\"\ncommand = \"put-back api\"\n"),
            absolute);
  EXPECT_EQ(
      problems_after_head(
          "[[rollback]]\naction = \"command\"\ncommand = [\"/x\", \"a\\u0000b\"]\n"),
      "api.toml:5: 'rollback.command' holds a word longer than 4095 bytes or with a NUL byte");
  EXPECT_EQ(problems_after_head(
                "[[rollback]]\naction = \"command\"\ncommand = \"/x\"\nreleases = \"/r\"\n"),
            "api.toml:6: unknown key 'rollback.releases' (known here: action, command, healthy, "
            "restart, timeout)");
}

TEST(ServiceFile, HealthIsAskedOverPlainHttp) {
  const std::string problem =
      "api.toml:7: 'rollback.healthy.http' must be a URL that begins with http://, such as "
      "\"http://127.0.0.1:8080/healthz\"";
  for (const auto* url : {"https://127.0.0.1/", "127.0.0.1:80", "http://", "http:///x", "",
                          "http://a b/", "http://a/\\r\\nX: y", "file:///etc/passwd"}) {
    EXPECT_EQ(rollback_problems(std::string("restart = \"a.service\"\nhealthy = { http = \"") +
                                url + "\" }\n"),
              problem)
        << url;
  }
  EXPECT_EQ(rollback_problems("restart = \"a.service\"\nhealthy = { within = \"0s\" }\n"),
            "api.toml:7: 'rollback.healthy.within' must be more than nothing");
}

TEST(ServiceFile, TimesFitIntoEachOther) {
  EXPECT_EQ(rollback_problems("restart = \"a.service\"\ntimeout = \"16m\"\n"),
            "api.toml:7: 'rollback.timeout' must be more than nothing and at most 15m");
  EXPECT_EQ(rollback_problems("restart = \"a.service\"\nhealthy = { within = \"3m\" }\n"),
            "api.toml:7: 'rollback.healthy' waits longer than the whole action's timeout");
  EXPECT_EQ(rollback_problems(
                "restart = \"a.service\"\nhealthy = { within = \"3m\" }\ntimeout = \"4m\"\n"),
            "");
}

TEST(ServiceFile, AllProblemsAreListedAtOnce) {
  EXPECT_EQ(
      problems_of(
          "untis = \"api.service\"\nexe = \"api\"\n[[rollbck]]\naction = \"x\"\n[dead_man]\n"
          "within = \"10m\"\n"),
      "api.toml:1: unknown key 'untis' (did you mean 'unit'?)\n"
      "api.toml:2: 'exe' must be an absolute path, not \"api\"\n"
      "api.toml:3: unknown key 'rollbck' (did you mean 'rollback'?)\n"
      "api.toml:5: 'dead_man' needs a [[rollback]]: without one there is nothing it could do");
}

TEST(ServiceFile, TheDeadManIsThereOnlyWhereItIsAskedFor) {
  const std::string rollback = "[[rollback]]\naction = \"command\"\ncommand = [\"/bin/back\"]\n";
  const auto without = parse_service_file("exe = \"/a\"\n" + rollback, "/d/api.toml");
  ASSERT_TRUE(without) << without.error().message;
  EXPECT_FALSE(without->dead_man);
  const auto with = parse_service_file(
      "exe = \"/a\"\n" + rollback + "[dead_man]\nwithin = \"10m\"\n", "/d/api.toml");
  ASSERT_TRUE(with) << with.error().message;
  ASSERT_TRUE(with->dead_man);
  EXPECT_EQ(with->dead_man->within_seconds, 600);
}

TEST(ServiceFile, TheDeadManSaysForHowLong) {
  const std::string head =
      "exe = \"/a\"\n[[rollback]]\naction = \"command\"\ncommand = [\"/bin/back\"]\n[dead_man]\n";
  const auto problems = [&](const std::string& line) {
    const auto read = parse_service_file(head + line, "/d/api.toml");
    return read ? std::string() : read.error().message;
  };
  EXPECT_NE(problems("").find("how long after a version's start"), std::string::npos);
  for (const char* within : {"0s", "61m", "-1s"}) {
    EXPECT_NE(problems("within = \"" + std::string(within) + "\"\n"), "") << within;
  }
}

TEST(ServiceFile, ListsHaveLimits) {
  std::string many;
  for (int i = 0; i < 17; ++i) many += "[[business]]\nname = \"m" + std::to_string(i) + "\"\n";
  EXPECT_EQ(problems_after_head(many),
            "api.toml:3: 'business' must not be there more than 16 times");
}

TEST(ServiceFile, TheFileNameIsTheServiceName) {
  for (const auto* file :
       {"/d/Api.toml", "/d/_host.toml", "/d/a b.toml", "/d/.toml", "/d/api.conf", "/d/a.b.toml"}) {
    EXPECT_FALSE(parse_service_file("exe = \"/a\"\n", file)) << file;
  }
  const auto named = parse_service_file("exe = \"/a\"\n", "/d/api-2.toml");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->name, "api-2");
}

TEST(ServiceFile, OneBadFileHidesNoOther) {
  const TemporaryFolder folder;
  folder.write("b.toml", "exe = \"/b\"\n");
  folder.write("a.toml", "exe = \n");
  folder.write("c.toml.rpmsave", "exe = \"/c\"\n");
  folder.write("d.toml", "exe = \"/d\"\n");
  std::filesystem::create_directory(folder.path() / "e.toml");
  const auto loaded = load_service_folder(folder.path());
  ASSERT_EQ(loaded.size(), 4u);
  EXPECT_FALSE(loaded[0].second);
  EXPECT_EQ(loaded[0].first, folder.path() / "a.toml");
  ASSERT_TRUE(loaded[1].second);
  EXPECT_EQ(loaded[1].second->name, "b");
  ASSERT_TRUE(loaded[2].second);
  EXPECT_EQ(loaded[2].second->name, "d");
  EXPECT_FALSE(loaded[3].second) << "a folder is not a service";
}

TEST(ServiceFile, AFolderThatCannotBeReadIsSaid) {
  const auto loaded = load_service_folder("/nonexistent/services.d");
  ASSERT_EQ(loaded.size(), 1u);
  ASSERT_FALSE(loaded[0].second);
  EXPECT_EQ(
      loaded[0].second.error().message,
      "cannot read the folder of services /nonexistent/services.d: No such file or directory");
  const TemporaryFolder empty;
  EXPECT_TRUE(load_service_folder(empty.path()).empty());
}

TEST(ServiceFile, NamesItsConfigurationFilesByPatterns) {
  const auto file = parse_service_file("unit = \"api.service\"\nconfig = [\"/etc/api/*.toml\", \"/etc/a?i\"]\n",
                                       "/etc/serin/services.d/api.toml");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->config, (std::vector<std::string>{"/etc/api/*.toml", "/etc/a?i"}));
}

TEST(ServiceFile, RefusesConfigurationFilesThatCouldBeAnywhere) {
  for (const char* path : {"etc/api.toml", "/etc/../root/x", "", "/etc/a\\u0001"}) {
    const auto file = parse_service_file(
        std::string("unit = \"api.service\"\nconfig = \"") + path + "\"\n",
        "/etc/serin/services.d/api.toml");
    ASSERT_FALSE(file) << path;
    EXPECT_NE(file.error().message.find("config"), std::string::npos) << file.error().message;
  }
}

TEST(ServiceFile, NamesThePortsItListensOn) {
  const auto read = [](const std::string& ports) {
    return parse_service_file("unit = \"api.service\"\nports = " + ports + "\n",
                              "/etc/serin/services.d/api.toml");
  };
  EXPECT_EQ(read("[8443, 8080]")->ports, (std::vector<uint16_t>{8080, 8443}));
  EXPECT_EQ(read("8080")->ports, (std::vector<uint16_t>{8080}));
  for (const char* wrong : {"[]", "[0]", "[65536]", "[\"http\"]", "[8080, 8080]", "true",
                            "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"}) {
    const auto file = read(wrong);
    ASSERT_FALSE(file) << wrong;
    EXPECT_NE(file.error().message.find("ports"), std::string::npos) << file.error().message;
  }
}

}  // namespace
}  // namespace serin
