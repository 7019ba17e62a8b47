#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/service/unit_manager.h"

namespace serin::agent {

/// A unit manager that says what a test tells it to.
class ScriptedUnits : public UnitManager {
 public:
  void follow(const std::string& unit, Says says) override {
    says_[unit].push_back(std::move(says));
  }
  void ask(const std::string& unit) override { asked.push_back(unit); }
  [[nodiscard]] const std::string& problem() const override { return trouble; }

  void say(const UnitWord& word) {
    for (auto& says : says_[word.unit]) says(word);
  }

  std::vector<std::string> asked;
  std::string trouble;

 private:
  std::map<std::string, std::vector<Says>> says_;
};

/// An active unit with a main process.
inline UnitWord running_unit(std::string unit, std::string invocation, int32_t pid,
                             uint64_t start_us) {
  UnitWord word;
  word.unit = std::move(unit);
  word.load_state = "loaded";
  word.active_state = "active";
  word.sub_state = "running";
  word.result = "success";
  word.invocation = std::move(invocation);
  word.main_pid = word.last_main_pid = pid;
  word.main_start_us = word.state_change_us = start_us;
  return word;
}

/// The same unit, stopped: by hand where it left its active state before its process ended.
inline UnitWord stopped_unit(UnitWord word, uint64_t active_exit_us, uint64_t main_exit_us) {
  word.active_state = "inactive";
  word.sub_state = "dead";
  word.main_pid = 0;
  word.exit_kind = 2;  // CLD_KILLED
  word.exit_value = 15;
  word.active_exit_us = active_exit_us;
  word.main_exit_us = word.state_change_us = main_exit_us;
  return word;
}

}  // namespace serin::agent
