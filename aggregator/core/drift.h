#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregator/core/facts.h"

// What else is different: a host on which a new version is tried may differ from the others in more
// than the version. Then the comparison tells nothing about the version (CONTRACTS §5).

namespace serin::core {

/// What a difference in a fact means.
enum class FactKind : uint8_t {
  blocking,  ///< it may explain what is measured: the host leaves the evidence
  named,     ///< it is told beside the verdict
  own,       ///< each host has its own: only a change with the deploy is told
  aside,     ///< says nothing about the service's surroundings
};
FactKind kind_of(std::string_view fact);

/// Are two values as good as the same? Limits that the kernel derives from the memory's size are
/// within a factor of 2 of each other.
bool alike(std::string_view fact, std::string_view a, std::string_view b);

/// What the hosts to compare with say, fact by fact. Valid as long as their texts are.
class UsualFacts {
 public:
  void add(const Facts& host);
  struct Value {
    const std::string* value = nullptr;
    size_t hosts = 0;
  };
  /// Null where no host could read it.
  [[nodiscard]] const std::vector<Value>* of(const std::string& name) const;
  [[nodiscard]] bool tells_of_libraries() const { return libraries_; }

 private:
  std::unordered_map<std::string_view, std::vector<Value>> facts_;
  bool libraries_ = false;
};

struct Difference {
  std::string fact, canary;
  std::string baseline;  ///< what most of the others say; empty: none says anything
  std::string before;    ///< here, before the deploy; empty when unknown, or when it was the same
  bool blocking = false;
  friend bool operator==(const Difference&, const Difference&) = default;
};

/// What sets a canary host apart, blocking differences first; `before`: what was known there when
/// the deploy came. A library of a name that the others do not map is blocking only where the
/// version before mapped it there too: else the new version brought the need for it.
std::vector<Difference> differences(const Facts& canary, const Facts& before,
                                    const UsualFacts& usual);

}  // namespace serin::core
