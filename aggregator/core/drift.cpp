#include "aggregator/core/drift.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "schema/fact.h"

namespace serin::core {
namespace {

constexpr std::string_view kLibrary = "library.";

/// The limits among the kernel's settings: beyond them calls fail or wait. Others change how fast
/// something is, and are named.
constexpr std::array<std::string_view, 7> kLimitingSettings = {
    "sysctl.net.core.somaxconn",
    "sysctl.net.ipv4.ip_local_port_range",
    "sysctl.vm.max_map_count",
    "sysctl.vm.overcommit_memory",
    "sysctl.fs.file-max",
    "sysctl.fs.nr_open",
    "sysctl.net.ipv4.tcp_max_syn_backlog"};

/// Derived by the kernel or by systemd from the memory's size.
constexpr std::array<std::string_view, 5> kOfMemorySize = {"limits.nproc", "limits.sigpending",
                                                           "unit.tasks_max", "sysctl.fs.file-max",
                                                           "sysctl.net.ipv4.tcp_max_syn_backlog"};

bool is_one_of(std::string_view word, const auto& list) {
  return std::ranges::find(list, word) != list.end();
}

std::optional<double> number_in(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(value);
}

/// "soft/hard", or one number.
bool within_factor_two(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const auto first = a.substr(0, a.find('/')), second = b.substr(0, b.find('/'));
    const auto x = number_in(first), y = number_in(second);
    if (first != second && (!x || !y || *x > 2 * *y || *y > 2 * *x)) return false;
    a.remove_prefix(std::min(a.size(), first.size() + 1));
    b.remove_prefix(std::min(b.size(), second.size() + 1));
  }
  return true;
}

/// A library that was replaced or could not be looked at: nothing is known of it.
bool is_known(std::string_view value) {
  return !fact::is_absent(value);
}

const UsualFacts::Value& most_usual(const std::vector<UsualFacts::Value>& values) {
  return *std::ranges::max_element(values, {}, [](const UsualFacts::Value& v) {
    return std::pair(v.hosts, std::string_view(*v.value));  // no order of arrival in a tie
  });
}

}  // namespace

FactKind kind_of(std::string_view fact) {
  const auto in = [&](std::string_view group) { return fact.starts_with(group); };
  if (fact == "kernel.release" || fact == "cpu.model" || in("limits.") || in("unit.") ||
      in(kLibrary) || is_one_of(fact, kLimitingSettings)) {
    return FactKind::blocking;
  }
  if (in("boot.") || in("package.") || in("service.")) return FactKind::own;
  if (in("rollback.") || in("dead_man.") || in("facts.") || in("libraries."))
    return FactKind::aside;
  return FactKind::named;
}

bool alike(std::string_view fact, std::string_view a, std::string_view b) {
  return a == b || (is_one_of(fact, kOfMemorySize) && within_factor_two(a, b));
}

void UsualFacts::add(const Facts& host) {
  for (const auto& [name, value, sequence] : host.all()) {
    if (!is_known(*value)) continue;
    libraries_ = libraries_ || name->starts_with(kLibrary);
    auto& values = facts_[*name];
    const auto same =
        std::ranges::find_if(values, [&](const Value& v) { return *v.value == *value; });
    if (same != values.end())
      ++same->hosts;
    else
      values.push_back({value.get(), 1});
  }
}

const std::vector<UsualFacts::Value>* UsualFacts::of(const std::string& name) const {
  const auto known = facts_.find(name);
  return known == facts_.end() ? nullptr : &known->second;
}

std::vector<Difference> differences(const Facts& canary, const Facts& before,
                                    const UsualFacts& usual) {
  std::vector<Difference> found;
  for (const auto& [name, value, sequence] : canary.all()) {
    const FactKind kind = kind_of(*name);
    if (kind == FactKind::aside || !is_known(*value)) continue;
    const std::string* was = before.value(*name);
    const bool changed = was != nullptr && *was != *value;
    Difference difference{.fact = *name, .canary = *value, .baseline = {}, .before = {}};
    if (changed) difference.before = *was;
    const auto* others = kind == FactKind::own ? nullptr : usual.of(*name);
    const bool shared = others != nullptr && std::ranges::any_of(*others, [&](const auto& other) {
                          return alike(*name, *value, *other.value);
                        });
    if (others != nullptr && !shared) {
      difference.baseline = *most_usual(*others).value;
      difference.blocking = kind == FactKind::blocking;
    } else if (others == nullptr && name->starts_with(kLibrary) && usual.tells_of_libraries()) {
      difference.blocking = was != nullptr;
    } else if (!changed) {
      continue;
    }
    found.push_back(std::move(difference));
  }
  std::ranges::stable_partition(found, &Difference::blocking);
  return found;
}

}  // namespace serin::core
