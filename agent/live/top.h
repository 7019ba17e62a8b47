#pragma once

#include <filesystem>

#include "common/error.h"

namespace serin::agent {

struct TopOptions {
  enum class Show {
    redrawn,  ///< a screen each second; a block of lines where the output is no terminal
    once,     ///< the first complete look, at most kFirstLookSeconds
    lines,    ///< the capture lines themselves
  } show = Show::redrawn;
  static constexpr int kFirstLookSeconds = 12;  // a service in quiet times is sent each 10 s
};

/// `serin-agent top`: listens to the running agent at `socket` and shows what it sends, until the
/// agent or the reader of our output ends. An error: no agent can be listened to, and why.
Result<void> run_top(const std::filesystem::path& socket, const TopOptions& options);

}  // namespace serin::agent
