#include "ctl/policy_file.h"

#include "common/config.h"

namespace serin::ctl {

Result<PolicySet> read_policy_file(const std::filesystem::path& file) {
  auto root = ConfigTable::parse_file(file);
  if (!root) return std::unexpected(root.error());
  for (const char* others : {"nats", "api", "state", "signing", "notify", "log"})
    root->leave(others);
  if (!root->has("policy")) root->missing("policy", "[policy.default], or policies of services");
  PolicySet policies = policy_from_config(*root);
  if (auto finished = root->finish(); !finished) return std::unexpected(finished.error());
  return policies;
}

}  // namespace serin::ctl
