#pragma once

#include <functional>
#include <string>

#include "schema/messages.h"

namespace serin::agent {

/// What the sampler needs of the root helper. Empty functions: there is no helper.
struct HelperPort {
  using Answer = std::function<void(Result<HelperReply>)>;
  /// One request; the answer comes later on the loop, within 2 s.
  std::function<void(const HelperRequest&, Answer)> call;
  /// True while the helper works on a service.
  std::function<bool(const std::string& service)> acting;
  /// The same, and a start of `version` is what that leads to.
  std::function<bool(const std::string& service, const std::string& version)> acting_towards;
};

}  // namespace serin::agent
