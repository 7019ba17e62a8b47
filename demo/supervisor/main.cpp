// shop-supervisor: what systemd is to a real host, for a demo host that is only a folder.
#include <fmt/core.h>
#include <string_view>

#include "demo/supervisor/verbs.h"

int main(int argc, char** argv) {
  constexpr int kUsage = 64;
  const std::string_view verb = argc == 3 ? argv[1] : "";
  if (verb != "run" && verb != "restart") {
    fmt::print(stderr, "usage: shop-supervisor run FOLDER | shop-supervisor restart FOLDER\n");
    return kUsage;
  }
  const shop::HostFolder host{argv[2]};
  const auto done = verb == "run" ? shop::supervise(host) : shop::ask_restart(host);
  if (done) return 0;
  fmt::print(stderr, "shop-supervisor: {}\n", done.error().message);
  return 1;
}
