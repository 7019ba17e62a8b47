#include "ctl/api/problem.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "schema/text.h"

namespace serin::ctl {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostWords = 1000;

std::string word(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return plain_text(found->get_ref<const std::string&>(), kMostWords);
}

Exit exit_of(long status) {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return Exit::usage;
    case 401:
    case 403:
      return Exit::not_allowed;
    case 429:
    case 502:  // somebody in between; the aggregator has none of these two
    case 503:
    case 504:
      return Exit::not_yet;
    default:
      return Exit::failed;
  }
}

/// `title: detail (field: message; field: message)`
std::string words_of(const Json& problem) {
  std::string words = word(problem, "title");
  if (const std::string detail = word(problem, "detail"); !detail.empty()) {
    words += (words.empty() ? "" : ": ") + detail;
  }
  const auto errors = problem.find("errors");
  if (errors == problem.end() || !errors->is_array() || errors->empty()) return words;
  std::string fields;
  for (const Json& error : *errors) {
    if (!error.is_object()) continue;
    fields += fmt::format("{}{} {}", fields.empty() ? "" : "; ", word(error, "field"),
                          word(error, "message"));
  }
  return fmt::format("{} ({})", words, fields);
}

}  // namespace

Refusal refusal_from(long status, const std::string& body, const std::string& api) {
  const Exit exit = exit_of(status);
  const Json problem = Json::parse(body, nullptr, false);
  if (problem.is_object() && problem.contains("code")) return {exit, words_of(problem)};
  // 404 and the like from somebody who does not speak as the aggregator does.
  return {
      exit == Exit::failed || exit == Exit::usage ? Exit::not_yet : exit,
      fmt::format("{} answered {}, which is not how an aggregator answers: is this its address? "
                  "(--api, SERIN_URL)",
                  api, status)};
}

}  // namespace serin::ctl
