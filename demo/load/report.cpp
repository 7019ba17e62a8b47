#include "demo/load/report.h"

#include <fmt/core.h>

#include <array>

namespace shop {
namespace {

constexpr std::array kEndings = {Ending::ok,      Ending::client_error, Ending::server_error,
                                 Ending::refused, Ending::reset,        Ending::timeout,
                                 Ending::abandoned};

bool is_failure(Ending ending) {
  return ending != Ending::ok && ending != Ending::client_error && ending != Ending::abandoned;
}

}  // namespace

const char* name(Ending ending) {
  switch (ending) {
    case Ending::ok:
      return "ok";
    case Ending::client_error:
      return "client_error";
    case Ending::server_error:
      return "server_error";
    case Ending::refused:
      return "refused";
    case Ending::reset:
      return "reset";
    case Ending::timeout:
      return "timeout";
    case Ending::abandoned:
      return "abandoned";
  }
  return "?";
}

Report::Report(std::FILE* out, std::vector<std::string> hosts)
    : out_(out), hosts_(std::move(hosts)), counts_(hosts_.size()), answering_(hosts_.size()) {}

void Report::add(const Outcome& outcome) {
  ++counts_[outcome.host][outcome.ending];
  if (!outcome.release.empty() && outcome.release != answering_[outcome.host]) {
    answering_[outcome.host] = outcome.release;
    fmt::print(out_, "{{\"at\":{:.6f},\"host\":\"{}\",\"first_of\":\"{}\"}}\n", outcome.ended,
               hosts_[outcome.host], outcome.release);
  }
  if (is_failure(outcome.ending)) {
    fmt::print(
        out_,
        "{{\"began\":{:.6f},\"ended\":{:.6f},\"host\":\"{}\",\"failed\":\"{}\",\"status\":{},"
        "\"release\":\"{}\",\"path\":\"{}\"}}\n",
        outcome.began, outcome.ended, hosts_[outcome.host], name(outcome.ending), outcome.status,
        outcome.release, outcome.path);
  }
  std::fflush(out_);
}

void Report::totals(double at, size_t in_flight) {
  std::string hosts;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    std::string counts;
    for (const Ending ending : kEndings) {
      counts +=
          fmt::format("{}\"{}\":{}", counts.empty() ? "" : ",", name(ending), counts_[i][ending]);
    }
    hosts += fmt::format("{}\"{}\":{{{}}}", hosts.empty() ? "" : ",", hosts_[i], counts);
  }
  fmt::print(out_, "{{\"at\":{:.6f},\"totals\":{{{}}},\"in_flight\":{}}}\n", at, hosts, in_flight);
  std::fflush(out_);
}

}  // namespace shop
