#include <fmt/core.h>

#include <string_view>
#include <vector>

#include "bench/judge/commands.h"

int main(int argc, char** argv) {
  const std::vector<serin::bench::Command> commands = {
      {"rivals", "Serin and other judges on the same streams: false alarms and delays",
       serin::bench::rivals},
      {"cost", "CPU of a step and of the past, memory", serin::bench::cost},
  };
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  for (const auto& command : commands) {
    if (wanted == command.name) return command.run(argc - 1, argv + 1);
  }
  fmt::print(stderr, "usage: serin-bench-judge COMMAND [options]\n");
  for (const auto& command : commands)
    fmt::print(stderr, "  {:<8} {}\n", command.name, command.what);
  return 2;
}
