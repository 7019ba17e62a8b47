#include "aggregator/api/problem.h"

#include <algorithm>
#include <array>

#include "aggregator/render/render.h"
#include "common/error.h"
#include "schema/text.h"

namespace serin::aggregator {

namespace {

struct Kind {
  std::string_view code;
  int status;
  std::string_view title;
};
constexpr std::array kKinds{
    Kind{"bad_request", 400, "The request is malformed"},
    Kind{"unauthenticated", 401, "A valid token is needed"},
    Kind{"forbidden", 403, "This token may not do that"},
    Kind{"not_found", 404, "There is nothing here"},
    Kind{"method_not_allowed", 405, "This method is not for this address"},
    Kind{"deploy_ended", 409, "The deploy has ended"},
    Kind{"conflict", 409, "This does not fit what is going on"},
    Kind{"too_large", 413, "The request is too large"},
    Kind{"unprocessable", 422, "A value is not acceptable"},
    Kind{"idempotency_mismatch", 422, "This Idempotency-Key belongs to another request"},
    Kind{"rate_limited", 429, "Too many at once"},
    Kind{"internal", 500, "Something went wrong here"},
    Kind{"bus_unavailable", 503, "The message bus cannot be reached"},
    Kind{"catching_up", 503, "The stream is still being read"},
};

}  // namespace

HttpResponse problem_response(std::string_view code, std::string detail, std::string_view target,
                              FieldErrors errors) {
  const auto kind = std::ranges::find(kKinds, code, &Kind::code);
  SERIN_VERIFY(kind != kKinds.end());
  constexpr size_t kMostInstanceBytes = 200;
  render::Problem problem{
      .status = kind->status,
      .code = std::string(code),
      .title = std::string(kind->title),
      .detail = std::move(detail),
      .instance = plain_text(target.substr(0, target.find('?')), kMostInstanceBytes),
      .errors = std::move(errors)};
  HttpResponse response{.status = kind->status,
                        .body = render::problem(problem),
                        .content_type = "application/problem+json",
                        .headers = {}};
  if (kind->status == 401)
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"serin\"");
  if (kind->status == 503 || kind->status == 429) response.headers.emplace_back("Retry-After", "2");
  return response;
}

}  // namespace serin::aggregator
