#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/facts/fact_book.h"
#include "agent/facts/files.h"
#include "agent/sampler/helper_port.h"

namespace serin::agent {

/// What surrounds one service: the limits of its process and of its control group, its
/// configuration files by their hashes, and the libraries that it has mapped, by build-id, as the
/// root helper sees them. Looks at a start and each minute; a file is read again only when it has
/// changed. On the loop, some 0.1 ms a look; the helper is asked twice per process.
class ServiceFacts {
 public:
  static constexpr uint64_t kLookUs = 60'000'000;
  /// After the loader is done, and again when what is loaded late is there.
  static constexpr uint64_t kFirstLibrariesUs = 1'000'000, kLastLibrariesUs = 20'000'000;
  static constexpr size_t kMostConfigFiles = 32;
  static constexpr size_t kMostConfigBytes = size_t{1} * 1024 * 1024;

  /// `book` must outlive it. `config`: paths, `*` and `?` stand for parts of a name.
  ServiceFacts(FactBook& book, std::string service, std::vector<std::string> config,
               HelperPort helper, HostRoots roots = {});

  /// Another process is the service now: what was known of the one before it no longer holds.
  void started(int32_t pid, const Moment& now);
  void ended() { process_.reset(); }
  void tick(const Moment& now);

 private:
  struct Process {
    int32_t pid = 0;
    uint64_t since_us = 0;
    int libraries_asked = 0;
  };
  void look(const Moment& now);
  void look_at_process();
  void look_at_group(FactPairs& facts);
  void look_at_config();
  void ask_libraries();
  void take_libraries(const Result<HelperReply>& reply);
  std::string hash_of(const std::string& file);

  FactBook& book_;
  std::string service_;
  std::vector<std::string> config_;
  HelperPort helper_;
  HostRoots roots_;
  std::shared_ptr<Process> process_;  ///< late answers hold it weakly
  uint64_t looked_us_ = 0;
  struct Hashed {
    int64_t changed_us = 0;
    uint64_t inode = 0;
    int64_t bytes = 0;
    std::string value;
  };
  std::map<std::string, Hashed> hashed_;  ///< by file
};

}  // namespace serin::agent
