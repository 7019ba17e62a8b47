#pragma once

#include <sys/types.h>

#include <string>

namespace serin::agent {

/// A root process that does what the tests may not: the program itself runs as nobody, as the agent
/// runs without privileges. Starts before anything else.
class RootHand {
 public:
  /// Forks the hand, then makes this process nobody's. Ends the program when that is not possible.
  static void start();
  /// Runs a shell command as root and waits for it; its exit status.
  static int run(const std::string& command);
};

}  // namespace serin::agent
