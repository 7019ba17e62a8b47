#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/probe/service_probe.h"
#include "agent/request/access_log.h"
#include "agent/sampler/socket_check.h"
#include "agent/service/finder.h"
#include "agent/service/moment.h"
#include "agent/service/unit_manager.h"
#include "agent/service/version_journal.h"
#include "agent/service/version_source.h"
#include "common/service_file.h"
#include "schema/messages.h"

namespace serin::agent {

/// What the helper said about a service; absent: it did not answer, and why.
struct HelperWord {
  Result<HelperReply> inspect = fail("not asked");
  Result<HelperReply> status = fail("not asked");
};

/// One service as `serin-agent check` sees it: first() looks, second() about a second later looks
/// again and writes what is seen, what is not and why, and whether a rollback would work now.
/// Changes nothing on the host.
class ServiceCheck {
 public:
  struct Line {
    enum class Mark { good, note, bad } mark;
    std::string topic, text;
    std::string fix;  ///< what to do about it: never empty where the mark is not good
  };

  ServiceCheck(ServiceFile service, std::string boot_id)
      : service_(std::move(service)), boot_id_(std::move(boot_id)) {}

  void first(const Moment& now);
  /// The units that are to be asked about; empty when the service is found otherwise.
  [[nodiscard]] std::vector<std::string> units() const;
  /// The property of those that holds the version; empty when none does.
  [[nodiscard]] std::string wanted_property() const;
  /// What the manager says of one of them; the first word that tells of a process is looked at.
  void take(const UnitWord& word);
  /// Why the manager says nothing.
  void no_units(std::string problem) { unit_problem_ = std::move(problem); }
  [[nodiscard]] bool has_heard_all() const { return words_.size() == units().size(); }
  std::vector<Line> second(const Moment& now, const VersionJournal& journal,
                           const HelperWord& helper);
  [[nodiscard]] const std::string& name() const { return service_.name; }

 private:
  using Mark = Line::Mark;
  void say(Mark mark, std::string topic, std::string text, std::string fix = {}) {
    lines_.push_back({.mark = mark,
                      .topic = std::move(topic),
                      .text = std::move(text),
                      .fix = std::move(fix)});
  }
  void look_at(int32_t pid, const CgroupFolders& cgroup);
  void say_units();
  void say_process(const Moment& now);
  void say_version(const Moment& now, const HelperWord& helper);
  void say_asked_version(const HelperWord& helper);
  [[nodiscard]] Result<std::string> asked_version() const;
  void say_metrics();
  void say_sockets(const Moment& now);
  void say_requests(size_t index);
  void say_log(size_t index);
  void say_page(size_t index);
  void say_probe(size_t index);
  void say_recorder(size_t index, const Moment& now);
  void say_business();
  void say_action(const ServiceFile::Rollback& action);
  void say_preflight(const HelperReply& status);
  void say_rollback(const VersionJournal& journal, const HelperWord& helper);
  [[nodiscard]] std::string generation() const;  ///< of process_
  void say_link(const ServiceFile::Rollback& action, const VersionJournal& journal);

  ServiceFile service_;
  std::string boot_id_;
  std::string find_problem_;
  std::optional<FoundProcess> process_;
  std::optional<ServiceProbe> probe_;
  std::map<std::string, UnitWord> words_;  ///< by unit
  std::string unit_problem_, unit_generation_;
  CgroupRoots cgroups_ = CgroupRoots::of_this_machine();
  std::optional<ProcessReading> reading_;
  std::unique_ptr<SocketCheck> sockets_;
  Moment first_;
  std::string running_version_;
  std::vector<Line> lines_;
};

}  // namespace serin::agent
