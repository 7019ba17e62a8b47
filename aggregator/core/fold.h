#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/core/effects.h"
#include "aggregator/core/judge/battery.h"
#include "aggregator/core/view.h"
#include "schema/policy.h"

namespace serin::core {

/// The brain: a pure state machine. No clock, thread, socket, file or random source; the same inputs give the same
/// effects, whoever folds them and whenever. Time is the largest stored time seen.
///
/// Restart: adopt() every Decision of SERIN_AUDIT in its order, then step() SERIN_INPUT from its beginning. What the
/// audit holds is a fact: the fold takes it over at its time and never re-decides it. Effects of the replay that the
/// audit already holds are recognised by their effect id; pending_commands() then says which commands still have no
/// report.
///
/// Not thread-safe; one owner.
class Fold {
 public:
  struct State;  ///< the inside (state.h)

  /// `inflation`: for benches; everybody else takes the calibrated one.
  explicit Fold(PolicySet initial, double inflation = judge::kInflation);
  ~Fold();
  Fold(Fold&&) noexcept;

  void adopt(const Decision& recorded);
  std::vector<Effect> step(const Input& input);

  /// Commands given and neither finished, failed nor superseded, newest revision each.
  [[nodiscard]] std::vector<CommandOrder> pending_commands() const;
  /// Services that are being watched now (for renewing attention).
  [[nodiscard]] std::vector<AttentionOrder> attention() const;

  /// What restarts have taught, to be put into the stream from time to time: who reads only a part of
  /// it judges by the same margins then.
  [[nodiscard]] std::vector<Control> warmups() const;

  [[nodiscard]] int64_t now_us() const;
  [[nodiscard]] uint64_t last_sequence() const;
  [[nodiscard]] const PolicySet& policies() const;

  [[nodiscard]] std::vector<ServiceView> services() const;
  /// Of all services when `service` is empty.
  [[nodiscard]] std::vector<HostView> hosts(std::string_view service = {},
                                            FactScope facts = FactScope::few) const;
  [[nodiscard]] std::vector<DeployView> deploys() const;  ///< newest first, without metrics' series
  [[nodiscard]] std::optional<DeployView> deploy(std::string_view id) const;

  [[nodiscard]] std::vector<DrillView> drills() const;  ///< newest first
  [[nodiscard]] std::optional<DrillView> drill(std::string_view id) const;

  enum class Gate { go, stop, not_yet };
  struct GateAnswer {
    Gate gate = Gate::not_yet;
    std::string text;
  };
  /// May this version go to that stage (index into the policy's stages) now?
  [[nodiscard]] GateAnswer gate(std::string_view service, std::string_view version, size_t stage) const;

  struct Counters {
    uint64_t samples = 0, events = 0, controls = 0;
    uint64_t gaps = 0, repeats = 0, late = 0, refused = 0, skewed = 0, unknown_version = 0;
    uint64_t facts_refused = 0;  ///< that found no room
  };
  [[nodiscard]] Counters counters() const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace serin::core
