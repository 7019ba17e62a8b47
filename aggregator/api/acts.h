#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/api/http.h"
#include "aggregator/api/live_view.h"
#include "aggregator/store/store.h"
#include "common/loop.h"
#include "schema/messages.h"

namespace serin::aggregator {

/// Takes what people ask for (rollback, pass, hold, release, drill, a word about a version) to the stream, and answers once it is
/// stored there. The same key with the same request is one act: its answer is repeated for 24 h,
/// also after a restart.
class ActDesk {
 public:
  using Publish = std::function<void(const Control&, std::function<void(Result<void>)>)>;
  struct Options {
    std::function<int64_t()> wall_us;
    uint64_t patience_ms = 5'000;  ///< then 503: not stored as far as we know
    uint64_t retry_ms = 250;
  };
  static constexpr size_t kMostPending = 64;         ///< people and pipelines, not a flood
  static constexpr size_t kMostRemembered = 10'000;  ///< answers in memory, beside the disk

  struct Ask {
    Control address;    ///< what its address names: kind, act, deploy, or service and version
    std::string actor;
    std::string key;  ///< Idempotency-Key as it came
    std::string body;
    std::string target;  ///< for problems
  };

  ActDesk(uv_loop_t* loop, const LiveView& view, Store& store, Publish publish, Options options);
  ~ActDesk();

  void take(const Ask& ask, Reply reply);
  [[nodiscard]] size_t pending() const { return pending_.size(); }

 private:
  struct Pending;
  [[nodiscard]] std::optional<ActRecord> remembered(const std::string& key);
  void remember(ActRecord record);
  void attempt(const std::shared_ptr<Pending>& pending);
  void stored(Pending& pending);
  void give_up(Pending& pending, const std::string& why);

  uv_loop_t* loop_;
  const LiveView& view_;
  Store& store_;
  Publish publish_;
  Options options_;
  std::map<std::string, std::shared_ptr<Pending>> pending_;  ///< by actor and key
  std::map<std::string, ActRecord> recent_;                  ///< what the disk did not take
};

/// Why this act makes no sense for this deploy now; absent when it does. The fold has the last
/// word.
struct ActRefusal {
  std::string_view code;
  std::string detail;
};
std::optional<ActRefusal> refusal_of(Act act, const core::DeployView& deploy);

}  // namespace serin::aggregator
