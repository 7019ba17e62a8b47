#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace shop {

/// `abandoned`: a checkout that was never sent, since the page had no button for it.
enum class Ending { ok, client_error, server_error, refused, reset, timeout, abandoned };
const char* name(Ending ending);

/// How one request ended. Times are seconds of the machine's wall clock.
struct Outcome {
  size_t host = 0;
  Ending ending = Ending::ok;
  unsigned status = 0;
  double began = 0, ended = 0;
  std::string release;  ///< who answered; empty without an answer
  std::string path;
};

/// Writes what the clients saw as JSON lines, each flushed at once:
///   {"began":…,"ended":…,"host":"web-01","failed":"server_error","status":500,"release":"…","path":"…"}
///   every failure
///   {"at":…,"host":"web-01","first_of":"good-2"}                      another release answers on
///   that host
///   {"at":…,"totals":{"web-01":{"ok":…,"client_error":…,…}},"in_flight":…}    once a second
class Report {
 public:
  Report(std::FILE* out, std::vector<std::string> hosts);
  void add(const Outcome& outcome);
  void totals(double at, size_t in_flight);

 private:
  std::FILE* out_;
  std::vector<std::string> hosts_;
  std::vector<std::map<Ending, uint64_t>> counts_;
  std::vector<std::string> answering_;
};

}  // namespace shop
