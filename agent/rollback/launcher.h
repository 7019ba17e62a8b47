#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/rollback/settings.h"
#include "common/error.h"

namespace serin::helper {

/// Starts the action of a service so that it outlives the helper. Starting one that is at work
/// already does no harm: only one process can hold a journal.
class ActionLauncher {
 public:
  virtual ~ActionLauncher() = default;
  virtual Result<void> launch(const std::string& service) = 0;
};

/// Without systemd: this program again with `--run SERVICE`, in a session of its own.
class DetachedLauncher final : public ActionLauncher {
 public:
  DetachedLauncher(std::filesystem::path program, std::vector<std::string> arguments)
      : program_(std::move(program)), arguments_(std::move(arguments)) {}
  Result<void> launch(const std::string& service) override;

 private:
  std::filesystem::path program_;
  std::vector<std::string> arguments_;
};

/// With systemd: the unit serin-action@SERVICE.service, which the helper's sandbox does not
/// confine.
class UnitLauncher final : public ActionLauncher {
 public:
  explicit UnitLauncher(std::filesystem::path systemctl) : systemctl_(std::move(systemctl)) {}
  Result<void> launch(const std::string& service) override;

 private:
  std::filesystem::path systemctl_;
};

}  // namespace serin::helper
