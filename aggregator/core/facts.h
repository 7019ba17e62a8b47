#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "schema/messages.h"

namespace serin::core {

/// One copy of each text that hosts say alike: a fleet's hosts differ in few facts.
class FactTexts {
 public:
  using Text = std::shared_ptr<const std::string>;
  Text keep(std::string_view text);
  [[nodiscard]] size_t size() const { return texts_.size(); }

 private:
  struct ByContent {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    size_t operator()(const Text& text) const { return operator()(*text); }
    bool operator()(std::string_view a, const Text& b) const { return a == *b; }
    bool operator()(const Text& a, const Text& b) const { return *a == *b; }
  };
  std::unordered_set<Text, ByContent, ByContent> texts_;
  static constexpr size_t kLeastLook = 1024;
  size_t look_at_ = kLeastLook;  ///< with so many, those that nobody uses are let go
};

/// What is known of one service on one host (schema/fact.h), sorted by name. At most fact::kMost;
/// 48 bytes each beside the texts, which are shared. A copy is what was known then.
class Facts {
 public:
  struct Fact {
    FactTexts::Text name, value;
    uint64_t sequence = 0;  ///< of the event that told it
  };

  /// Takes what an event tells. Events of one agent may come in another order than they were sent
  /// in: an older one changes nothing that a newer one told. True when something changed.
  bool take(const Event& event, FactTexts& texts);
  /// Null when it is not known. A fact that could not be read is known to be absent (fact.h).
  [[nodiscard]] const std::string* find(std::string_view name) const;
  /// The same, and null also where it could not be read.
  [[nodiscard]] const std::string* value(std::string_view name) const;
  [[nodiscard]] const std::vector<Fact>& all() const { return facts_; }
  [[nodiscard]] uint64_t refused() const { return refused_; }

 private:
  bool begin_anew(const Event& event);
  bool set(const std::string& name, const std::string& value, uint64_t sequence, FactTexts& texts);

  std::vector<Fact> facts_;
  uint64_t agent_start_us_ = 0, all_sequence_ = 0;
  uint64_t refused_ = 0;  ///< that found no room, or were too long
};

}  // namespace serin::core
