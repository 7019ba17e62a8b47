#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/probe/cgroup_probe.h"
#include "agent/service/unit_follower.h"
#include "agent/service/unit_manager.h"

namespace serin::agent {

/// A service that one unit runs, or one of several (blue and green). Of several that run, the one
/// that was started last is the service, since that is where a balancer is sent next; the end of
/// the other was asked for. When the leading one ends and another still runs, that one is the
/// service again.
class UnitService {
 public:
  using Handlers = UnitFollower::Handlers;
  /// `manager` must outlive this; words that come after this is gone are dropped.
  UnitService(UnitManager& manager, const std::vector<std::string>& units, CgroupRoots roots,
              Handlers handlers);

  /// The kernel says that the process of the leading unit ended: the manager is asked at once.
  void process_ended(const ExitStatus& status);
  /// Something happened to the leading unit: the manager is asked.
  void ask();
  /// The manager said nothing about that: tells the end with what is known.
  void give_up();
  [[nodiscard]] bool awaits_word() const;
  /// More than one of the units runs.
  [[nodiscard]] bool side_by_side() const;
  /// A word of every unit was heard.
  [[nodiscard]] bool heard() const { return heard_ == followers_.size(); }
  /// Why the units cannot be seen now; empty when they can.
  [[nodiscard]] const std::string& problem() const { return manager_.problem(); }
  /// Where the processes of a unit are to be found; empty when nowhere.
  [[nodiscard]] std::filesystem::path folder_of(const UnitProcess& process) const {
    return cgroup_folder(roots_, process.cgroup);
  }
  /// The same in all hierarchies.
  [[nodiscard]] CgroupFolders folders_of(const UnitProcess& process) const {
    return cgroup_folders(roots_, process.cgroup);
  }

 private:
  struct One {
    std::string unit;
    UnitFollower follower;
    bool heard = false;
    uint64_t order = 0;  ///< of its start among all
  };
  UnitFollower::Handlers handlers_of(size_t index);
  void began(size_t index, const UnitProcess& process);
  void ended(size_t index, const UnitEnd& end);
  void failed(size_t index, const std::string& reason);
  void rests(bool asked);
  [[nodiscard]] std::optional<size_t> latest_running() const;

  UnitManager& manager_;
  CgroupRoots roots_;
  Handlers handlers_;
  std::vector<std::shared_ptr<One>> followers_;  ///< the manager holds them weakly
  std::optional<size_t> leads_;
  size_t heard_ = 0;
  uint64_t starts_ = 0;
  bool all_asked_ = true;
};

}  // namespace serin::agent
