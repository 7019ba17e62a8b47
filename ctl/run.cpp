#include "ctl/run.h"

namespace serin::ctl {

Exit run(const Invocation& invocation, Console& console) {
  const Exit exit =
      std::visit([&](const auto& command) { return run(command, invocation.common, console); },
                 invocation.command);
  if (console.intact()) return exit;
  complain(console, "the answer could not be written whole to standard output");
  return exit == Exit::done ? Exit::failed : exit;
}

}  // namespace serin::ctl
