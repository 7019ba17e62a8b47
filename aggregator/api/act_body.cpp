#include "aggregator/api/act_body.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/ids.h"
#include "schema/text.h"

namespace serin::aggregator {

namespace {

constexpr size_t kMostReasonBytes = 500;  // it stands in a chat line and in the audit

using Json = nlohmann::json;

void take_text(const Json& value, const std::string& key, std::string& into, FieldErrors& errors) {
  if (value.is_null()) return;
  if (!value.is_string())
    errors.emplace_back(key, "must be a text");
  else if (!is_plain_text(value.get_ref<const std::string&>()))
    errors.emplace_back(key, "holds control characters");
  else
    into = value.get<std::string>();
}

}  // namespace

std::expected<ActBody, ActBodyError> parse_act_body(const std::string& text,
                                                    std::span<const std::string_view> known) {
  ActBody body;
  if (text.empty()) return body;
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return std::unexpected(
        ActBodyError{"bad_request", "the body must be a JSON object, as {\"reason\":\"…\"}", {}});
  }
  FieldErrors errors;
  for (const auto& [key, value] : json.items()) {
    if (std::ranges::find(known, key) == known.end())
      errors.emplace_back(plain_text(key, 64),
                          fmt::format("is not known; known are {}", fmt::join(known, ", ")));
    else if (key == "reason")
      take_text(value, key, body.reason, errors);
    else if (key == "host")
      take_text(value, key, body.host, errors);
    else if (key == "service")
      take_text(value, key, body.service, errors);
    else if (value.is_boolean())
      body.irreversible = value.get<bool>();
    else
      errors.emplace_back(key, "must be true or false");
  }
  if (body.reason.size() > kMostReasonBytes) {
    errors.emplace_back("reason", fmt::format("may have {} bytes", kMostReasonBytes));
  }
  if (!body.host.empty() && !is_host_id(body.host)) errors.emplace_back("host", "is no host id");
  if (!body.service.empty() && !is_service_name(body.service))
    errors.emplace_back("service", "is no service name");
  if (!errors.empty()) {
    return std::unexpected(
        ActBodyError{"unprocessable", "correct the fields named in errors", std::move(errors)});
  }
  return body;
}

}  // namespace serin::aggregator
