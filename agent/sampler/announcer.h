#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/sampler/helper_port.h"
#include "agent/service/moment.h"
#include "agent/service/version_journal.h"
#include "agent/service/version_source.h"
#include "agent/version/version_inquiry.h"
#include "common/loop.h"

namespace serin::agent {

/// A generation whose version is to be told.
struct NewGeneration {
  std::string generation;
  int32_t pid = 0;
  Moment start;
  bool gone = false;  ///< it ended before it could be looked at
};

/// Finds out once per generation which version it is and why it was started, and says so (CONTRACTS
/// §4): the kernel's word about executable or working directory, or the helper's where the agent
/// may not look; else the link or file as of the process's start. The cause is external unless the
/// helper's journal tells of a command whose target this is. The helper is asked on the loop; what
/// it does not answer in its 2 s, or before the process ends, counts as no answer. A pid file may
/// name a process that has not called exec yet: a young one is looked at again before the link is
/// asked. Where the version is one that what runs must be asked for, it is asked first; without an
/// answer, or when it ends before, it is the others' word or unknown.
class Announcer {
 public:
  /// `repeated` is true for the generation that was announced before, by the agent before this one.
  using Announce = std::function<void(const GenerationRecord&, bool repeated)>;
  Announcer(uv_loop_t* loop, const HostClock& clock, std::string service, VersionSource& source,
            VersionJournal& journal, HelperPort helper, Announce announce,
            std::unique_ptr<VersionInquiry> inquiry = nullptr);
  ~Announcer();

  void begin(NewGeneration generation);
  /// Decides now with what is known; nothing when nothing is open.
  void finish();
  [[nodiscard]] bool is_open() const { return open_ != nullptr; }
  /// Samples are to wait, as a version is about to be told. One that is asked for longer than the
  /// aggregator waits for it is not waited for: samples then go without, and are joined to it by
  /// their generation.
  [[nodiscard]] bool holds_samples() const;
  /// Why the running generation's version is unknown or uncertain; empty when it is certain.
  [[nodiscard]] const std::string& doubt() const;

 private:
  struct Open;
  void ask_version();
  void ask_what_runs();
  void take_answer(const Result<std::string>& answer);
  void ask_artefact();
  void ask_kernel();
  void ask_cause();
  void take_link_version();
  void take_version(const Result<HelperReply>& reply);
  void take_cause(const Result<HelperReply>& reply);
  [[nodiscard]] std::optional<Cause> our_doing() const;
  void decide();

  const HostClock& clock_;
  std::string service_;
  VersionSource& source_;
  VersionJournal& journal_;
  HelperPort helper_;
  Announce announce_;
  std::unique_ptr<VersionInquiry> inquiry_;  ///< null: the version is not asked for
  uint64_t asked_us_ = 0;                    ///< since when; CLOCK_BOOTTIME
  std::shared_ptr<Open> open_;               ///< late answers hold it weakly
  std::string doubt_;
  UvTimer again_;
};

/// Why, when a helper's status says that its latest command led to the start of `version` at
/// `start_wall_us`; nullopt when it did not.
std::optional<Cause> led_to_start(const HelperReply& status, const std::string& version,
                                  int64_t start_wall_us);

}  // namespace serin::agent
