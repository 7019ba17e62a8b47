#pragma once

// What `serin-bench-judge` measures, one command a file. A command reads its own arguments (argv[0]
// is its name) and returns the program's exit code.

namespace serin::bench {

struct Command {
  const char* name;
  const char* what;
  int (*run)(int argc, char** argv);
};

int rivals(int argc, char** argv);
int cost(int argc, char** argv);

}  // namespace serin::bench
