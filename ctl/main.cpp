#include <csignal>
#include <cstdlib>

#include "ctl/run.h"

int main(int argc, char** argv) {
  using namespace serin::ctl;
  std::signal(SIGPIPE, SIG_IGN);  // `serinctl … | head` is told by a failed write instead
  StandardConsole console;
  const auto invocation = parse(argc, argv, console);
  return static_cast<int>(invocation ? run(*invocation, console) : invocation.error());
}
