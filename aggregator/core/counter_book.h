#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace serin::core {

/// The named counters of one service's business, numbered as they are first seen. Each takes
/// a part of the business's share of alpha, so that many of them would all be blind: those beyond
/// kMost are named and not judged, as are those that bear the name of another metric.
class CounterBook {
 public:
  static constexpr size_t kMost = 16;

  /// Takes in a name that is not known yet. `asked_for`: the policy mentions it, so that there is
  /// always room.
  void admit(std::string_view name, bool asked_for);
  /// Its number; absent for what is left out.
  [[nodiscard]] std::optional<size_t> find(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// Names that are left out, as far as they are remembered; sorted.
  [[nodiscard]] const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  void leave_out(std::string_view name);

  std::vector<std::string> names_, left_out_;
};

}  // namespace serin::core
