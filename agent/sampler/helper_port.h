#pragma once

#include <functional>
#include <optional>
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
  /// While it does: why a start of `version` is what that leads to; nullopt where it is not.
  std::function<std::optional<Cause>(const std::string& service, const std::string& version)>
      cause_of;
  /// Another version was started: what the helper says of a rollback may differ now.
  std::function<void(const std::string& service)> started;
  /// This host is cut off and the service, in a new version, fails.
  std::function<void(const std::string& service)> cut_off;
};

}  // namespace serin::agent
