#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/version/version_question.h"
#include "common/loop.h"

namespace serin::agent {

/// A property of the unit, as systemd had it when it first told of the generation: what was loaded
/// later (daemon-reload) belongs to the next start. Costs nothing beside the words that are said
/// anyway.
class UnitQuestion : public VersionQuestion {
 public:
  static constexpr uint64_t kTimeoutMs = 2000;
  /// `manager` must outlive this; words that come after this is gone are dropped.
  UnitQuestion(uv_loop_t* loop, UnitManager& manager, const std::vector<std::string>& units,
               const ServiceFile::VersionUnitProperty& wanted);

  void ask(const std::string& generation, Answer answer) override;
  void stop() override {
    answer_ = nullptr;
    tell_.stop();
  }

 private:
  struct Heard {
    ServiceFile::VersionUnitProperty wanted;
    std::map<std::string, std::pair<std::string, Result<std::string>>>
        by_unit;  ///< generation, version
    std::function<void()> changed;
  };
  void look();
  void tell();
  [[nodiscard]] const Result<std::string>* known() const;

  UnitManager& manager_;
  std::shared_ptr<Heard> heard_;  ///< the manager holds it weakly
  std::string generation_;
  Answer answer_;
  UvTimer tell_;
};

/// The version in a unit's word, or why it is not there.
Result<std::string> version_of(const UnitWord& word,
                               const ServiceFile::VersionUnitProperty& wanted);

}  // namespace serin::agent
