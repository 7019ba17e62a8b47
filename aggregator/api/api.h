#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "aggregator/api/acts.h"
#include "aggregator/api/auth.h"
#include "aggregator/api/http.h"
#include "aggregator/api/live_view.h"
#include "aggregator/api/target.h"

namespace serin::aggregator {

/// The REST interface (`/api/v1`, `/metrics`, `/healthz`, `/readyz`): who asks, what for, and which
/// view answers. Unknown parameters are refused, not ignored. Every failure is a problem document.
class Api {
 public:
  static constexpr size_t kMostDeploysPerPage = 200, kDeploysPerPage = 50;

  Api(const LiveView& view, ActDesk& acts, Auth auth);

  void handle(const HttpRequest& request, Reply reply);
  /// Where /metrics finds the HTTP server's own counters.
  void count_answers_by(std::function<std::map<int, uint64_t>()> answers) {
    answers_ = std::move(answers);
  }

 private:
  struct Call;  ///< a request with its target taken apart
  void route(Call& call);
  void route_api(Call& call);
  void route_deploy(Call& call);
  void route_drills(Call& call);
  void route_version(Call& call);
  void act(Call& call, Role least, Control address);
  void list_deploys(Call& call) const;
  void list_hosts(Call& call) const;
  void gate(Call& call) const;
  void status(Call& call) const;
  void ready(Call& call) const;
  /// Answers for itself and returns false when this caller may not.
  bool allowed(Call& call, Role least) const;

  const LiveView& view_;
  ActDesk& acts_;
  Auth auth_;
  std::function<std::map<int, uint64_t>()> answers_ = [] { return std::map<int, uint64_t>(); };
};

}  // namespace serin::aggregator
