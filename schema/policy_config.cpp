#include <fmt/core.h>

#include "common/ids.h"
#include "schema/limits.h"
#include "schema/policy.h"
#include "schema/policy_fields.h"

namespace serin {
namespace {

constexpr std::string_view kFallbackName = "default";

/// Walks a policy and takes over what its table sets; what is wrong there is the table's to report.
class FromConfig {
 public:
  explicit FromConfig(ConfigTable& table) : table_(table) {}

  template <typename Enum>
  void choice(std::string_view key, Enum& value, std::span<const std::string_view> words) {
    const auto text = table_.string(key);
    if (!text) return;
    if (const auto known = choice_from<Enum>(*text, words)) {
      value = *known;
    } else {
      table_.problem(key, rule_of(words));
    }
  }
  void duration(std::string_view key, double& value, double least, double most) {
    const auto seconds = table_.duration_seconds(key);
    if (!seconds) return;
    if (*seconds >= least && *seconds <= most) {
      value = *seconds;
    } else {
      table_.problem(key, fmt::format("must be between {} and {} seconds", least, most));
    }
  }
  void number(std::string_view key, double& value, double least, double most) {
    value = table_.number(key, least, most).value_or(value);
  }
  void share(std::string_view key, double& value) { value = table_.share(key).value_or(value); }
  void integer(std::string_view key, int& value, int least, int most) {
    value = static_cast<int>(table_.integer(key, least, most).value_or(value));
  }
  void stages(std::string_view key, std::vector<std::string>& value) {
    auto texts = table_.strings(key);
    if (!texts) return;
    if (stages_make_sense(*texts)) {
      value = std::move(*texts);
    } else {
      table_.problem(key, kStageRule);
    }
  }
  void counters(std::string_view key, std::map<std::string, Policy::Hurts, std::less<>>& value) {
    auto table = table_.table(key);
    if (!table) return;
    for (const auto& [name, word] : table->string_map()) {
      const auto hurts = choice_from<Policy::Hurts>(word, kHurts);
      const auto wrong = fault_of_counter(name, value.size() - value.count(name));
      if (!wrong.empty() || !hurts) {
        table->problem(name, wrong.empty() ? kHurtsRule : wrong);
      } else {
        value[name] = *hurts;
      }
    }
  }
  template <typename Walk>
  void group(std::string_view key, Walk walk) {
    auto table = table_.table(key);
    if (!table) return;
    FromConfig inside(*table);
    walk(inside);
  }

 private:
  ConfigTable& table_;
};

Policy read_policy(ConfigTable& policies, std::string_view name, Policy base) {
  if (auto table = policies.table(name)) walk_policy(base, FromConfig(*table));
  return base;
}

}  // namespace

PolicySet policy_from_config(ConfigTable& root) {
  PolicySet set;
  auto policies = root.table("policy");
  if (!policies) return set;
  set.fallback = read_policy(*policies, kFallbackName, set.fallback);
  for (const std::string& service : policies->table_names()) {
    if (service == kFallbackName) continue;
    if (!is_service_name(service))
      policies->problem(service, "is not a service name (a-z, 0-9, _ and -, at most 63)");
    set.services[service] = read_policy(*policies, service, set.fallback);
  }
  if (to_json(set).size() > limits::kPolicyBytes) {
    root.problem("policy", "is too long: what services set apart from the default must fit 60 KiB");
  }
  return set;
}

}  // namespace serin
