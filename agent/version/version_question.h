#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agent/service/unit_manager.h"
#include "common/error.h"
#include "common/service_file.h"

namespace serin::agent {

/// One way to ask what runs for its version: by a command, over HTTP, or of its unit. On the loop's
/// thread, and never blocking it.
class VersionQuestion {
 public:
  using Answer = std::function<void(Result<std::string>)>;
  virtual ~VersionQuestion() = default;
  /// Asks once about a generation; what was asked before is given up. The answer is a version, or
  /// why there is none. It is called once, and not from within ask().
  virtual void ask(const std::string& generation, Answer answer) = 0;
  /// Gives up: the answer is not called any more.
  virtual void stop() = 0;
};

/// The question that the service's file describes; null where the version is not asked for. Errors:
/// a property of a unit, and no unit manager.
Result<std::unique_ptr<VersionQuestion>> make_version_question(const ServiceFile& service,
                                                               uv_loop_t* loop, UnitManager* units);

/// The first line of what was answered, without surrounding blanks, if that is a version.
Result<std::string> version_in(std::string_view answer);

}  // namespace serin::agent
