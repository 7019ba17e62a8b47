#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/rollback/clock.h"
#include "agent/rollback/helper.h"
#include "agent/rollback/settings.h"
#include "common/signing.h"
#include "schema/messages.h"

namespace serin::helper {

/// Starts nothing: the test runs the action itself, or wants to see that none is started.
class CountingLauncher final : public ActionLauncher {
 public:
  Result<void> launch(const std::string& service) override {
    launched.push_back(service);
    return {};
  }
  std::vector<std::string> launched;
};

/// Waits, with a deadline, for something that is about to be true.
bool eventually(const std::function<bool()>& condition, double seconds = 20);

std::string read_text(const std::filesystem::path& file);
void write_text(const std::filesystem::path& file, std::string_view text, mode_t mode = 0644);

/// A host in a temporary folder with one service `api`: releases v1 and v2, the link `current`, a
/// process with a pid file and an HTTP answer, a restart command, a trusted signing key.
class TestHost {
 public:
  TestHost();
  ~TestHost();
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  /// The service's file; `rollback` is everything from [[rollback]] on.
  void describe(std::string_view rollback);
  [[nodiscard]] std::string by_symlink(std::string_view more = {}) const;
  /// A restart that ends the old process and starts the new one; returns its path.
  [[nodiscard]] std::filesystem::path restart_script() const { return root_ / "restart.sh"; }
  [[nodiscard]] std::string health_url() const;

  void add_release(const std::string& name);
  void select(const std::string& name);
  /// Selects and starts it, and waits until it answers.
  void start(const std::string& name);
  /// Ends the process and waits for that.
  void stop();

  [[nodiscard]] std::string selected() const;
  [[nodiscard]] std::string running()
      const;  ///< the version whose process runs; empty when none does
  [[nodiscard]] int starts_of(std::string_view version) const;

  [[nodiscard]] Command command(std::string_view condemned = "v2", std::string_view target = "v1",
                                int ordinal = 0) const;
  [[nodiscard]] Bytes sign(const Command& command) const;
  [[nodiscard]] Bytes execute_request(const Command& command) const;

  /// One question to a helper of this host, in this process.
  HelperReply ask(const HelperRequest& request);
  HelperReply execute(const Command& command);
  HelperReply status();
  /// What the steps of a reply are, as "accepted preflight …".
  static std::string steps(const HelperReply& reply);

  CountingLauncher launcher;
  SystemClock clock;
  Settings settings;

 private:
  std::filesystem::path root_;
  int port_;

 public:
  SigningKey key;
};

}  // namespace serin::helper
