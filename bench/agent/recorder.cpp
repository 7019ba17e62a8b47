#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "recorder/serin_recorder.h"

// What telling of a request costs the application that answers it: by the recorder, and by a statsd
// timer sent as a datagram, over UDP on the loopback and over a unix socket, in the same run. CPU
// time of the telling threads; somebody reads the sockets, on a thread that is not counted.

namespace {

namespace fs = std::filesystem;

double thread_cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

[[noreturn]] void give_up(const char* what) {
  fmt::print(stderr, "{}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

/// Latencies as they come, so that neither a branch nor a cell is always the same.
std::vector<uint64_t> some_latencies() {
  std::vector<uint64_t> latencies(4096);
  uint64_t state = 88172645463325252U;
  for (auto& latency : latencies) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    latency = 1'000'000 + state % 50'000'000;
  }
  return latencies;
}

/// Nanoseconds of CPU a request, over all threads.
double cost_of(unsigned threads, size_t requests,
               const std::function<void(size_t requests)>& work) {
  std::vector<double> spent(threads);
  std::atomic<unsigned> ready{0};
  {
    std::vector<std::jthread> running;
    for (unsigned t = 0; t < threads; ++t)
      running.emplace_back([&, t] {
        work(1000);  // its shard, its socket, the caches
        ready.fetch_add(1);
        while (ready.load() < threads) std::this_thread::yield();
        double began = thread_cpu_ns();
        work(requests);
        spent[t] = thread_cpu_ns() - began;
      });
  }
  double sum = 0;
  for (double one : spent) sum += one;
  return sum / static_cast<double>(threads) / static_cast<double>(requests);
}

double median_of(int rounds, const std::function<double()>& measure) {
  std::vector<double> costs;
  for (int i = 0; i < rounds; ++i) costs.push_back(measure());
  std::ranges::sort(costs);
  return costs[costs.size() / 2];
}

/// A socket that is read as fast as it can be, as a metrics agent would.
class Reader {
 public:
  Reader(int family, const sockaddr* address, socklen_t size)
      : socket_(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (socket_ < 0 || ::bind(socket_, address, size) != 0) give_up("bind");
    timeval limit{.tv_sec = 0, .tv_usec = 100'000};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    thread_ = std::jthread([this](const std::stop_token& stop) {
      std::array<std::array<char, 512>, 32> buffers{};
      std::array<iovec, 32> parts{};
      std::array<mmsghdr, 32> messages{};
      for (size_t i = 0; i < parts.size(); ++i) {
        parts[i] = {.iov_base = buffers[i].data(), .iov_len = buffers[i].size()};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      while (!stop.stop_requested())
        ::recvmmsg(socket_, messages.data(), messages.size(), MSG_WAITFORONE, nullptr);
    });
  }
  ~Reader() {
    thread_.request_stop();
    thread_.join();
    ::close(socket_);
  }
  [[nodiscard]] int socket() const { return socket_; }

 private:
  int socket_;
  std::jthread thread_;
};

/// As statsd clients do it: a line is written and sent, and nobody waits for room.
void send_timers(int family, const sockaddr* address, socklen_t size,
                 const std::vector<uint64_t>& latencies, size_t requests) {
  int socket = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0 || ::connect(socket, address, size) != 0) give_up("connect");
  std::array<char, 64> line{};
  for (size_t i = 0; i < requests; ++i) {
    auto end = fmt::format_to(line.data(), "api.request:{}|ms",
                              latencies[i % latencies.size()] / 1'000'000);
    ::send(socket, line.data(), static_cast<size_t>(end - line.data()), 0);
  }
  ::close(socket);
}

double statsd_by_udp(unsigned threads, size_t requests, const std::vector<uint64_t>& latencies) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const auto* any = reinterpret_cast<sockaddr*>(&address);
  Reader reader(AF_INET, any, size);
  if (::getsockname(reader.socket(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    give_up("getsockname");
  return cost_of(threads, requests, [&](size_t count) {
    send_timers(AF_INET, any, sizeof address, latencies, count);
  });
}

double statsd_by_unix(unsigned threads, size_t requests, const std::vector<uint64_t>& latencies,
                      const fs::path& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "statsd.sock").c_str(), sizeof address.sun_path - 1);
  ::unlink(address.sun_path);
  const auto* any = reinterpret_cast<sockaddr*>(&address);
  Reader reader(AF_UNIX, any, sizeof address);
  return cost_of(threads, requests, [&](size_t count) {
    send_timers(AF_UNIX, any, sizeof address, latencies, count);
  });
}

serin_recorder* open_recorder(const fs::path& folder, unsigned shards) {
  serin_recorder_options options{.service = "api",
                                 .folder = folder.c_str(),
                                 .classes = nullptr,
                                 .counters = nullptr,
                                 .shards = shards};
  serin_recorder* recorder = ::serin_recorder_open(&options);
  if (recorder == nullptr || ::serin_recorder_error(recorder) != 0) {
    errno = ::serin_recorder_error(recorder);
    give_up("the recorder");
  }
  return recorder;
}

double recorder_cost(unsigned threads, size_t requests, const std::vector<uint64_t>& latencies,
                     const fs::path& folder, unsigned shards) {
  serin_recorder* recorder = open_recorder(folder, shards);
  double cost = cost_of(threads, requests, [&](size_t count) {
    for (size_t i = 0; i < count; ++i)
      ::serin_record(recorder, i % 64 == 0 ? SERIN_SERVER_ERROR : SERIN_OK,
                     latencies[i % latencies.size()]);
  });
  ::serin_recorder_close(recorder);
  return cost;
}

double clock_cost(size_t requests) {
  return cost_of(1, requests, [](size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; ++i) sum += ::serin_recorder_now();
    asm volatile("" : : "r"(sum));
  });
}

/// In memory where there is such a folder: a disk's file system writes pages back.
fs::path own_folder() {
  std::string name =
      fs::is_directory("/dev/shm") ? "/dev/shm/serin-bench-XXXXXX" : "/tmp/serin-bench-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) give_up("mkdtemp");
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What telling of one request costs: the recorder beside statsd datagrams");
  size_t requests = 5'000'000;
  int rounds = 5;
  bool json = false;
  app.add_option("--requests", requests, "recorded by each thread; datagrams: a twentieth of it");
  app.add_option("--rounds", rounds, "the median of so many counts")->check(CLI::PositiveNumber);
  app.add_flag("--json", json, "figures for machines");
  CLI11_PARSE(app, argc, argv);

  fs::path folder = own_folder();
  auto latencies = some_latencies();
  fmt::print(stderr, "nanoseconds of CPU a request, median of {}\n", rounds);
  double clock = median_of(rounds, [&] { return clock_cost(requests); });
  std::string rows;
  bool fast = true;
  for (unsigned threads : {1U, 2U}) {
    double ours =
        median_of(rounds, [&] { return recorder_cost(threads, requests, latencies, folder, 0); });
    double one =
        median_of(rounds, [&] { return recorder_cost(threads, requests, latencies, folder, 1); });
    double udp =
        median_of(rounds, [&] { return statsd_by_udp(threads, requests / 20, latencies); });
    double local = median_of(
        rounds, [&] { return statsd_by_unix(threads, requests / 20, latencies, folder); });
    fast = fast && ours < 100;
    if (!json)
      fmt::print(
          "{} thread{}: recorder {:.1f} ns (one shard {:.1f}), statsd by UDP {:.0f} ns = {:.0f}x, "
          "by unix datagram {:.0f} ns = {:.0f}x\n",
          threads, threads == 1 ? "" : "s", ours, one, udp, udp / ours, local, local / ours);
    rows += fmt::format(
        "{}{{\"threads\":{},\"recorder_ns\":{:.2f},\"one_shard_ns\":{:.2f},"
        "\"udp_ns\":{:.1f},\"unix_ns\":{:.1f},\"udp_ratio\":{:.1f},\"unix_ratio\":{:.1f}}}",
        rows.empty() ? "" : ",", threads, ours, one, udp, local, udp / ours, local / ours);
  }
  if (json)
    fmt::print("{{\"clock_ns\":{:.2f},\"rows\":[{}]}}\n", clock, rows);
  else
    fmt::print("taking the time, which all of them need twice: {:.1f} ns\n", clock);
  fs::remove_all(folder);
  return fast ? 0 : 1;  // tens of nanoseconds is what is promised
}
