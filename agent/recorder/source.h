#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/recorder/file.h"
#include "agent/recorder/folder.h"
#include "agent/recorder/growth.h"
#include "agent/recorder/store.h"
#include "agent/recorder/writer.h"
#include "agent/request/request_source.h"
#include "agent/service/moment.h"
#include "common/service_file.h"

namespace serin::agent {

/// Requests that the service's processes record themselves, with recorder/serin_recorder.h: one
/// file a process. A request belongs to the generation of the process that recorded it, so that old
/// and new side by side need no field that tells them apart. The file of a process that ended is
/// read a last time, and removed once that has been handed on. A poll costs one stat of the folder,
/// and per process a copy of its file.
class RecorderSource : public RequestSource {
 public:
  /// Cells kept of all files of a service, 4 MB: 256 processes with one class of requests.
  static constexpr size_t kMostKeptCells = size_t{512} * 1024;
  /// After the start of a process it is no fault yet that it has no file.
  static constexpr int64_t kPatienceUs = 10'000'000;

  struct Setting {
    std::optional<std::filesystem::path> state_dir;  ///< absent: nothing is kept over a restart
    WriterJudge::Setting judge;
  };
  /// For `service.requests[index]`. `clock` outlives it.
  static Result<std::unique_ptr<RecorderSource>> make(const ServiceFile& service, size_t index,
                                                      Setting setting, const HostClock& clock);

  void poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) override;
  void commit(uint64_t boot_us) override;
  [[nodiscard]] std::optional<uint64_t> resumed_from_us() const override {
    return resumed_from_us_;
  }
  [[nodiscard]] bool is_complete() const override { return complete_; }
  /// Calls that named a class or counter that is not there, readings that failed, files that are
  /// not the service's.
  [[nodiscard]] uint64_t skipped() const override { return misused_ + failures_ + refusals_; }
  [[nodiscard]] std::string problem() const override { return problem_; }
  [[nodiscard]] std::string no_latency() const override { return {}; }

  /// What became of one file: for `check`.
  struct FileWord {
    std::string name;
    uint64_t requests = 0;  ///< since its process began
    std::string trouble;    ///< why it is not counted; empty where it is
  };
  [[nodiscard]] std::vector<FileWord> words() const;
  [[nodiscard]] uint64_t misused() const { return misused_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  struct OneFile {
    RecorderFile file;
    std::vector<uint64_t> sums;  ///< counted up to here
    uint64_t seen_us = 0;        ///< CLOCK_BOOTTIME of the first look
    std::optional<uint32_t> span;
    std::string trouble;
    bool over = false;     ///< its process ended, and nothing more is to be read from it
    bool foreign = false;  ///< it loses its place
  };
  struct Refused {
    FileIdentity identity;
    std::string why;
    bool again = false;  ///< the service started anew since: may be it is known now
  };

  RecorderSource(const ServiceFile& service, size_t index, Setting setting, const HostClock& clock);
  void resume();
  void look_at_folder(const Moment& now);
  [[nodiscard]] bool is_known(const RecorderFolder::Entry& entry) const;
  void open(const RecorderFolder::Entry& entry, const Moment& now);
  void leave(const RecorderFolder::Entry& entry, const Moment& now, std::string why);
  void add(RecorderFile file, const Moment& now);
  [[nodiscard]] Result<std::vector<uint64_t>> counted_before(const RecorderFile& file);
  void refuse(const std::string& name, FileIdentity identity, std::string why);
  void look_at(OneFile& one, const Timeline& timeline, const Moment& now, Tallies& tallies);
  void judge(OneFile& one, std::optional<int32_t> living, const Timeline& timeline,
             const Moment& now);
  void read(OneFile& one, Tallies& tallies);
  void say(const Timeline& timeline, const Moment& now);
  void drop_foreign();
  void remove_dead();
  void save(uint64_t boot_us);

  const HostClock& clock_;
  std::string service_;
  RecorderRules rules_;
  std::filesystem::path proc_;
  RecorderFolder folder_;
  WriterJudge judge_;
  std::optional<RecorderStore> store_;
  std::vector<RecorderStore::Known> known_;  ///< to the agent before, until found again
  std::optional<uint64_t> resumed_from_us_;
  bool first_look_ = true;
  uint32_t judged_span_ = 0;  ///< the timeline's last when the verdicts were given
  bool judge_all_ = false;
  std::vector<OneFile> files_;
  std::vector<FileWord> making_;  ///< may be complete at the next look
  std::map<std::string, Refused> refused_;
  std::vector<RecorderFolder::Entry> rubbish_;        ///< that nobody lives to write
  std::map<std::string, RecorderStore::Known> kept_;  ///< over, but may not be removed
  std::vector<uint64_t> reading_;                     ///< reused
  bool complete_ = false;
  uint64_t misused_ = 0, failures_ = 0, refusals_ = 0;
  std::string problem_, trouble_;  ///< trouble: of this poll
};

}  // namespace serin::agent
