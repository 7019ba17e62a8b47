#include "ctl/run.h"

namespace serin::ctl {

Exit run(const Invocation& invocation, Console& console) {
  const Exit exit =
      std::visit([&](const auto& command) { return run(command, invocation.common, console); },
                 invocation.command);
  if (console.intact()) return exit;
  complain(console, "the answer could not be written whole to standard output");
  // 1 would tell the pipeline that the version was stopped; that nobody could read the answer is no
  // answer.
  if (exit == Exit::done && std::holds_alternative<GateCommand>(invocation.command))
    return Exit::not_yet;
  return exit == Exit::done ? Exit::failed : exit;
}

}  // namespace serin::ctl
