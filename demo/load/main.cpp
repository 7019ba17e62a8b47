// shop-load: the customers. Open-loop HTTP traffic for the hosts given, and an account of how it
// went.
#include <curl/curl.h>
#include <signal.h>

#include <fmt/core.h>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string_view>

#include "demo/load/runner.h"

namespace {

constexpr int kUsage = 64;
std::atomic<bool> stop = false;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

struct Arguments {
  shop::RunOptions run;
  shop::TrafficShape shape;
  uint64_t seed = 1;
  std::string out = "/dev/stdout";
};

template <typename T>
bool read(std::string_view text, T& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_target(std::string_view text, std::vector<shop::Target>& into) {
  const auto equals = text.find('=');
  shop::Target target;
  if (equals == std::string_view::npos || !read(text.substr(equals + 1), target.port)) return false;
  target.name = text.substr(0, equals);
  into.push_back(std::move(target));
  return true;
}

bool read_option(std::string_view name, std::string_view value, Arguments& into) {
  if (name == "--host") return read_target(value, into.run.targets);
  if (name == "--rate") return read(value, into.shape.requests_per_second);
  if (name == "--seconds") return read(value, into.run.seconds);
  if (name == "--timeout-ms") return read(value, into.run.timeout_ms);
  if (name == "--wave-seconds") return read(value, into.shape.wave_seconds);
  if (name == "--wave-depth") return read(value, into.shape.wave_depth);
  if (name == "--seed") return read(value, into.seed);
  if (name == "--out") return into.out = value, true;
  return false;
}

bool read_all(int argc, char** argv, Arguments& into) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc || !read_option(argv[i], argv[i + 1], into)) {
      fmt::print(stderr, "shop-load: cannot read {}\n", argv[i]);
      return false;
    }
  }
  into.shape.hosts = into.run.targets.size();
  return !into.run.targets.empty() && into.shape.requests_per_second > 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!read_all(argc, argv, arguments)) {
    fmt::print(
        stderr,
        "usage: shop-load --host NAME=PORT… [--rate REQUESTS_PER_SECOND_AND_HOST] [--seconds N] "
        "[--seed N]\n"
        "                 [--timeout-ms N] [--wave-seconds N] [--wave-depth X] [--out FILE]\n");
    return kUsage;
  }
  const std::unique_ptr<std::FILE, CloseFile> out(std::fopen(arguments.out.c_str(), "ae"));
  if (!out) {
    fmt::print(stderr, "shop-load: cannot write {}\n", arguments.out);
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGTERM, SIGINT}) signal(number, [](int) { stop = true; });
  curl_global_init(CURL_GLOBAL_NOTHING);
  std::vector<std::string> names;
  for (const auto& target : arguments.run.targets) names.push_back(target.name);
  shop::Traffic traffic(arguments.shape, arguments.seed);
  shop::Report report(out.get(), std::move(names));
  shop::run_load(arguments.run, traffic, report, stop);
  return 0;
}
