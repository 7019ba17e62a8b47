#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "common/ids.h"
#include "schema/limits.h"
#include "schema/policy.h"
#include "schema/policy_fields.h"
#include "schema/text.h"

// {"default":{…all settings…},"services":{"api":{…what differs from the default…}}}, durations in
// seconds.

namespace serin {
namespace {

using Json = nlohmann::json;  // objects are sorted by key

class ToJson {
 public:
  template <typename Enum>
  void choice(const char* key, Enum value, std::span<const std::string_view> words) {
    json_[key] = words[static_cast<size_t>(value)];
  }
  void duration(const char* key, double value, double, double) { json_[key] = value; }
  void number(const char* key, double value, double, double) { json_[key] = value; }
  void share(const char* key, double value) { json_[key] = value; }
  void integer(const char* key, int value, int, int) { json_[key] = value; }
  void stages(const char* key, const std::vector<std::string>& value) { json_[key] = value; }
  void counters(const char* key, const std::map<std::string, Policy::Hurts, std::less<>>& value) {
    Json inside = Json::object();
    for (const auto& [name, hurts] : value) inside[name] = kHurts[static_cast<size_t>(hurts)];
    json_[key] = std::move(inside);
  }
  template <typename Walk>
  void group(const char* key, Walk walk) {
    ToJson inside;
    walk(inside);
    json_[key] = std::move(inside.json_);
  }
  [[nodiscard]] Json take() { return std::move(json_); }

 private:
  Json json_ = Json::object();
};

/// Takes over what is there; the first value that is wrong is the error.
class FromJson {
 public:
  FromJson(const Json& json, std::string path, std::optional<Error>& error)
      : json_(json), path_(std::move(path)), error_(error) {}

  template <typename Enum>
  void choice(const char* key, Enum& value, std::span<const std::string_view> words) {
    const Json* found = find(key);
    if (found == nullptr) return;
    const auto known = found->is_string()
                           ? choice_from<Enum>(found->get_ref<const std::string&>(), words)
                           : std::nullopt;
    if (known) {
      value = *known;
    } else {
      fault(key, rule_of(words));
    }
  }
  void duration(const char* key, double& value, double least, double most) {
    number(key, value, least, most);
  }
  void share(const char* key, double& value) { number(key, value, 0, 1); }
  void number(const char* key, double& value, double least, double most) {
    const Json* found = find(key);
    if (found == nullptr) return;
    const double number = found->is_number() ? found->get<double>() : NAN;
    if (number >= least && number <= most) {
      value = number;
    } else {
      fault(key, fmt::format("must be a number between {} and {}", least, most));
    }
  }
  void integer(const char* key, int& value, int least, int most) {
    const Json* found = find(key);
    if (found == nullptr) return;
    const double number = found->is_number_integer() ? found->get<double>() : NAN;
    if (number >= least && number <= most) {
      value = static_cast<int>(number);
    } else {
      fault(key, fmt::format("must be a whole number between {} and {}", least, most));
    }
  }
  void stages(const char* key, std::vector<std::string>& value) {
    const Json* found = find(key);
    if (found == nullptr) return;
    std::vector<std::string> texts;
    if (!found->is_array()) return fault(key, kStageRule);
    for (const Json& stage : *found) {
      texts.push_back(stage.is_string() ? stage.get<std::string>() : std::string());
    }
    if (!stages_make_sense(texts)) return fault(key, kStageRule);
    value = std::move(texts);
  }
  void counters(const char* key, std::map<std::string, Policy::Hurts, std::less<>>& value) {
    const Json* found = find(key);
    if (found == nullptr) return;
    if (!found->is_object()) return fault(key, "must be an object");
    for (const auto& [name, word] : found->items()) {
      const auto hurts =
          word.is_string() ? choice_from<Policy::Hurts>(word.get_ref<const std::string&>(), kHurts)
                           : std::nullopt;
      const auto wrong = fault_of_counter(name, value.size() - value.count(name));
      const auto at = fmt::format("{}.{}", key, plain_text(name, limits::kNameBytes));
      if (!wrong.empty()) return fault(at, wrong);
      if (!hurts) return fault(at, kHurtsRule);
      value[name] = *hurts;
    }
  }
  template <typename Walk>
  void group(const char* key, Walk walk) {
    const Json* found = find(key);
    if (found == nullptr) return;
    if (!found->is_object()) return fault(key, "must be an object");
    FromJson inside(*found, path_ + "." + key, error_);
    walk(inside);
  }

 private:
  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  void fault(std::string_view key, std::string_view what) {
    if (!error_) error_ = Error{fmt::format("policy: {}.{}: {}", path_, key, what)};
  }

  const Json& json_;
  std::string path_;
  std::optional<Error>& error_;
};

Json json_of(const Policy& policy) {
  ToJson walker;
  walk_policy(policy, walker);
  return walker.take();
}

/// What `own` says otherwise than `base`, group by group. A service starts from the default: it
/// lacks nothing that stands there.
Json difference(const Json& own, const Json& base) {
  Json different = Json::object();
  for (const auto& [key, value] : own.items()) {
    const auto usual = base.find(key);
    if (usual != base.end() && value == *usual) continue;
    different[key] = value.is_object() && usual != base.end() ? difference(value, *usual) : value;
  }
  return different;
}

Result<Policy> policy_of(const Json& json, const std::string& path, Policy base) {
  if (!json.is_object()) return fail(fmt::format("policy: {}: must be an object", path));
  std::optional<Error> error;
  walk_policy(base, FromJson(json, path, error));
  if (error) return std::unexpected(*error);
  return base;
}

}  // namespace

std::string to_json(const PolicySet& set) {
  const Json fallback = json_of(set.fallback);
  Json services = Json::object();
  for (const auto& [service, policy] : set.services)
    services[service] = difference(json_of(policy), fallback);
  const Json whole = {{"default", fallback}, {"services", std::move(services)}};
  return whole.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<PolicySet> policy_from_json(std::string_view json) {
  if (json.size() > limits::kPolicyBytes) return fail("policy: is longer than 60 KiB");
  const Json whole = Json::parse(json, nullptr, false);
  if (!whole.is_object() || !whole.contains("default")) {
    return fail("policy: is not a JSON object with the key `default`");
  }
  PolicySet set;
  auto fallback = policy_of(whole.at("default"), std::string("default"), set.fallback);
  if (!fallback) return std::unexpected(fallback.error());
  set.fallback = std::move(*fallback);
  const Json services = whole.value("services", Json::object());
  if (!services.is_object()) return fail("policy: services: must be an object");
  for (const auto& [service, values] : services.items()) {
    if (!is_service_name(service)) {
      return fail(fmt::format("policy: services: '{}' is not a service name",
                              plain_text(service, limits::kNameBytes)));
    }
    auto policy = policy_of(values, service, set.fallback);
    if (!policy) return std::unexpected(policy.error());
    set.services.emplace(service, std::move(*policy));
  }
  return set;
}

}  // namespace serin
