#include <fcntl.h>
#include <fmt/core.h>
#include <time.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/request/access_log.h"

// How fast access logs are followed: a file as nginx, HAProxy and Envoy write it, read, parsed and
// counted by the agent's own source, beside a bare search for line ends in the same file in the
// same run. And what a second costs in which 100 lines come, with all caches as cold as they are
// after a second's sleep. CPU time of the one thread that does it.

namespace {

namespace fs = std::filesystem;
using namespace serin;
using agent::AccessLog;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNoonUs = 1'795'176'000 * kSecond;  // 20 November 2026
constexpr int64_t kNowUs = kNoonUs + 300 * kSecond;   // when the last of the lines are written
constexpr double kPromisedLines = 500'000;            // a second, of one core

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

[[noreturn]] void give_up(const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}

/// What one request looked like, from a seed.
struct Request {
  uint64_t number = 0;
  int status = 200;
  unsigned ms = 0, bytes = 0, client = 0;
  std::string_view path, method, agent;
};

class Traffic {
 public:
  Request next() {
    constexpr std::array<std::string_view, 6> kPaths = {
        "/",
        "/api/v1/items/48151623?fields=name,price&page=3",
        "/checkout",
        "/static/app.3f9a1c.js",
        "/api/v1/search?q=garden+chairs&sort=price",
        "/healthz"};
    constexpr std::array<std::string_view, 3> kAgents = {
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
        "Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
        "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "curl/8.5.0"};
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return {.number = number_++,
            .status = state_ % 101 == 0  ? 500
                      : state_ % 31 == 0 ? 404
                                         : 200,
            .ms = static_cast<unsigned>(state_ >> 20) % 400,
            .bytes = static_cast<unsigned>(state_ >> 32) % 60'000,
            .client = static_cast<unsigned>(state_ >> 24),
            .path = kPaths[(state_ >> 8) % kPaths.size()],
            .method = state_ % 5 == 0 ? "POST" : "GET",
            .agent = kAgents[(state_ >> 16) % kAgents.size()]};
  }

 private:
  uint64_t state_ = 88172645463325252U;
  uint64_t number_ = 0;
};

/// The wall clock moves on by a second each 1000 requests, and begins anew after five minutes.
struct Stamp {
  uint64_t minute, second, ms;
  explicit Stamp(uint64_t number)
      : minute(number / 60'000 % 5), second(number / 1000 % 60), ms(number % 1000) {}
};

std::string nginx_line(const Request& r) {
  Stamp at(r.number);
  return fmt::format(
      "10.{}.{}.{} - - [20/Nov/2026:12:{:02}:{:02} +0000] \"{} {} HTTP/1.1\" {} {} "
      "\"https://shop.example/\" \"{}\" {}.{:03}\n",
      r.client % 256, r.client / 7 % 256, r.client / 11 % 256, at.minute, at.second, r.method,
      r.path, r.status, r.bytes, r.agent, r.ms / 1000, r.ms % 1000);
}

std::string json_line(const Request& r) {
  Stamp at(r.number);
  return fmt::format(
      "{{\"time_iso8601\":\"2026-11-20T12:{:02}:{:02}+00:00\",\"remote_addr\":\"10.{}.{}.7\","
      "\"request\":\"{} {} HTTP/1.1\",\"status\":\"{}\",\"body_bytes_sent\":\"{}\","
      "\"http_user_agent\":\"{}\",\"request_time\":\"{}.{:03}\"}}\n",
      at.minute, at.second, r.client % 256, r.client / 7 % 256, r.method, r.path, r.status, r.bytes,
      r.agent, r.ms / 1000, r.ms % 1000);
}

std::string haproxy_line(const Request& r) {
  Stamp at(r.number);
  return fmt::format(
      "Nov 20 12:{:02}:{:02} lb-1 haproxy[812]: 10.{}.{}.7:{} [20/Nov/2026:12:{:02}:{:02}.{:03}] "
      "fe api/web-{} 0/0/1/{}/{} {} {} - - ---- 12/12/3/1/0 0/0 \"{} {} HTTP/1.1\"\n",
      at.minute, at.second, r.client % 256, r.client / 7 % 256, 1024 + r.client % 60'000, at.minute,
      at.second, at.ms, r.client % 4, r.ms, r.ms + 1, r.status, r.bytes, r.method, r.path);
}

std::string envoy_line(const Request& r) {
  Stamp at(r.number);
  return fmt::format(
      "[2026-11-20T12:{:02}:{:02}.{:03}Z] \"{} {} HTTP/1.1\" {} - 0 {} {} {} \"-\" \"{}\" "
      "\"9dd4cc72-6b9b-4cdd-8f3c-{:012x}\" \"shop.example\" \"10.0.{}.{}:8080\"\n",
      at.minute, at.second, at.ms, r.method, r.path, r.status, r.bytes, r.ms, r.ms, r.agent,
      r.number, r.client % 256, r.client / 7 % 256);
}

struct Format {
  std::string_view name, preset;
  std::string (*line)(const Request&);
};
constexpr std::array<Format, 4> kFormats = {{{"nginx", "nginx_timed", nginx_line},
                                             {"json", "json", json_line},
                                             {"haproxy", "haproxy", haproxy_line},
                                             {"envoy", "envoy", envoy_line}}};

class Log {
 public:
  Log(const fs::path& folder, const Format& format)
      : format_(format), path_(folder / fmt::format("{}.log", format.name)) {
    std::ofstream(path_).flush();
  }
  ~Log() { fs::remove(path_); }
  void append(size_t lines) {
    std::ofstream out(path_, std::ios::app);
    for (size_t i = 0; i < lines; ++i) out << format_.line(traffic_.next());
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  const Format& format_;
  fs::path path_;
  Traffic traffic_;
};

ServiceFile service_of(const Log& log, const Format& format, size_t classes) {
  ServiceFile service;
  service.name = "api";
  service.requests.push_back(
      {.source = "access_log", .path = log.path(), .format = std::string(format.preset)});
  service.classes = {};
  for (size_t i = 0; i < classes; ++i)
    service.classes.push_back({.name = fmt::format("class-{}", i),
                               .field = "$uri",
                               .prefix = fmt::format("/api/v{}", classes - i)});
  return service;
}

/// A source that stands at the log's end and counts what comes from now on.
AccessLog follow(const ServiceFile& service, const fs::path& folder) {
  auto source = AccessLog::make(service, 0, folder, "boot");
  if (!source) give_up(source.error().message);
  return std::move(*source);
}

double seconds_to_search(const fs::path& path, size_t& lines) {
  double began = thread_cpu_seconds();
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> block(agent::LineReader::kBlockBytes);
  lines = 0;
  for (ssize_t got; (got = ::read(fd, block.data(), block.size())) > 0;) {
    const char* end = block.data() + got;
    for (const char* at = block.data(); at < end; ++at, ++lines) {
      at = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
      if (at == nullptr) break;
    }
  }
  ::close(fd);
  return thread_cpu_seconds() - began;
}

struct Speed {
  double lines_per_second, megabytes_per_second, ratio;
};

Speed speed_of(const Format& format, const fs::path& folder, size_t lines, int rounds,
               size_t classes) {
  Log log(folder, format);
  auto service = service_of(log, format, classes);
  std::vector<Speed> speeds;
  agent::Timeline timeline;
  timeline.begin("g1", "v1", kNoonUs);
  for (int round = 0; round <= rounds; ++round) {
    fs::resize_file(log.path(), 0);
    auto source = follow(service, folder);
    agent::Tallies tallies(0);
    source.poll(timeline, kNowUs, tallies);
    log.append(lines);
    auto bytes = static_cast<double>(fs::file_size(log.path()));
    size_t found = 0;
    double searched = seconds_to_search(log.path(), found);
    double began = thread_cpu_seconds();
    while (source.counts().lines < lines) source.poll(timeline, kNowUs, tallies);
    double took = thread_cpu_seconds() - began;
    uint64_t counted = tallies.take(timeline.last()->id).requests.requests;
    if (counted != lines || found != lines || source.skipped() != 0)
      give_up(fmt::format("{}: {} lines written, {} found, {} counted, {} skipped: {}", format.name,
                          lines, found, counted, source.skipped(), source.lines().last_unparsed()));
    if (round > 0)  // the first one fills the caches
      speeds.push_back({static_cast<double>(lines) / took, bytes / took / 1e6, took / searched});
  }
  std::ranges::sort(speeds, {}, &Speed::lines_per_second);
  return speeds[speeds.size() / 2];
}

/// Milliseconds of CPU a second, of a poll and of remembering its place.
double cost_of_a_second(const Format& format, const fs::path& folder, size_t lines, int seconds) {
  Log log(folder, format);
  auto service = service_of(log, format, 0);
  auto source = follow(service, folder);
  agent::Timeline timeline;
  timeline.begin("g1", "v1", kNoonUs);
  agent::Tallies tallies(0);
  std::vector<double> costs;
  for (int i = 0; i <= seconds; ++i) {
    log.append(lines);
    std::this_thread::sleep_for(std::chrono::seconds(1));
    double began = thread_cpu_seconds();
    source.poll(timeline, kNowUs, tallies);
    auto tally = tallies.take(timeline.last()->id);
    source.commit(static_cast<uint64_t>(i));
    if (i > 0) costs.push_back((thread_cpu_seconds() - began) * 1e3);
  }
  std::ranges::sort(costs);
  return costs[costs.size() / 2];
}

fs::path own_folder() {
  std::string name = (fs::temp_directory_path() / "serin-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) give_up("mkdtemp");
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("How fast access logs are followed, and what a quiet second costs");
  size_t lines = 1'000'000, classes = 0;
  int rounds = 3, seconds = 10;
  bool json = false;
  app.add_option("--lines", lines, "of each format")->check(CLI::PositiveNumber);
  app.add_option("--rounds", rounds, "the median of so many")->check(CLI::PositiveNumber);
  app.add_option("--classes", classes, "of requests that are told apart")->check(CLI::Range(0, 15));
  app.add_option("--seconds", seconds, "in each of which 100 lines come; 0: not measured");
  app.add_flag("--json", json, "figures for machines");
  CLI11_PARSE(app, argc, argv);

  ::setenv("TZ", "UTC", 1);
  fs::path folder = own_folder();
  bool fast = true;
  std::string rows;
  for (const Format& format : kFormats) {
    Speed speed = speed_of(format, folder, lines, rounds, classes);
    fast = fast && speed.lines_per_second >= kPromisedLines;
    if (!json)
      fmt::print("{:8} {:9.0f} lines/s  {:4.0f} MB/s  {:4.1f} times a bare search for line ends\n",
                 format.name, speed.lines_per_second, speed.megabytes_per_second, speed.ratio);
    rows += fmt::format(
        "{}\"{}\":{{\"lines_per_second\":{:.0f},\"mb_per_second\":{:.0f},"
        "\"of_bare_search\":{:.2f}}}",
        rows.empty() ? "" : ",", format.name, speed.lines_per_second, speed.megabytes_per_second,
        speed.ratio);
  }
  if (seconds > 0) {
    double none = cost_of_a_second(kFormats[0], folder, 0, seconds);
    double hundred = cost_of_a_second(kFormats[0], folder, 100, seconds);
    rows += fmt::format(",\"second_without_lines_ms\":{:.4f},\"second_of_100_lines_ms\":{:.4f}",
                        none, hundred);
    if (!json)
      fmt::print("a second without lines {:.3f} ms, of 100 lines {:.3f} ms\n", none, hundred);
  }
  if (json) fmt::print("{{{}}}\n", rows);
  fs::remove_all(folder);
  return fast ? 0 : 1;
}
