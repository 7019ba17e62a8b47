#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctl/api/client.h"
#include "ctl/api/views.h"
#include "ctl/console.h"

namespace serin::ctl {

/// What every subcommand that asks the aggregator needs: settings read, answers read, and a word to
/// the person where either went wrong.
class Talk {
 public:
  /// Says what is wrong with the settings and returns the exit status instead.
  static std::expected<Talk, Exit> begin(const Common& common, Console& console);

  Answer<std::string> get(const std::string& path) { return api_->get(path); }
  Answer<std::string> post(const std::string& path, const std::string& body,
                           const std::string& key) {
    return api_->post(path, body, key);
  }
  /// Asks again where nobody answered, under the same key: an act that was stored although its
  /// answer was lost is not done twice.
  Answer<std::string> act(const std::string& path, const std::string& body, Console& console);
  /// The id of a deploy that was named by id, or as service@version (the newest of that version).
  Answer<std::string> deploy_id(const std::string& deploy);
  Answer<core::DeployView> deploy(const std::string& id, std::string* json = nullptr);
  /// The newest deploys first, at most `most`, over as many pages as it takes.
  Answer<DeploysAnswer> deploys(const std::string& service, const std::string& state, size_t most);

  [[nodiscard]] const std::string& url() const { return api_->url(); }

  /// An answer as a value, or a refusal when it cannot be read.
  template <typename T>
  static Answer<T> read(const Answer<std::string>& answer,
                        Result<T> (*reader)(const std::string&)) {
    if (!answer) return std::unexpected(answer.error());
    auto value = reader(*answer);
    if (!value) return std::unexpected(Refusal{Exit::not_yet, value.error().message});
    return std::move(*value);
  }

 private:
  explicit Talk(Settings settings) : api_(std::make_unique<ApiClient>(std::move(settings))) {}

  std::unique_ptr<ApiClient> api_;
};

/// Says why, and returns what to end with.
Exit refused(Console& console, const Refusal& refusal);

/// `service@version` taken apart; a service's name holds no @, a version may.
struct ServiceVersion {
  std::string service, version;
};
std::optional<ServiceVersion> service_version(const std::string& text);

}  // namespace serin::ctl
