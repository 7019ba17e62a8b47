#pragma once

#include <string>
#include <string_view>

namespace serin::ctl {

/// Where words go. What was asked for goes to out(), all else (hints, progress, errors) to err(),
/// so that `serinctl … | jq` never meets a word that is not JSON.
class Console {
 public:
  virtual ~Console() = default;
  virtual void out(std::string_view text) = 0;
  virtual void err(std::string_view text) = 0;
  /// A line on standard error that the next one overwrites; nothing where no person looks.
  virtual void progress(std::string_view line) = 0;
  /// False when something could not be written (a full disk, a closed pipe).
  [[nodiscard]] virtual bool intact() = 0;
};

/// The process's own standard streams.
class StandardConsole final : public Console {
 public:
  StandardConsole();
  ~StandardConsole() override;
  StandardConsole(const StandardConsole&) = delete;
  StandardConsole& operator=(const StandardConsole&) = delete;

  void out(std::string_view text) override;
  void err(std::string_view text) override;
  void progress(std::string_view line) override;
  [[nodiscard]] bool intact() override;

 private:
  void clear_progress();

  bool live_;  ///< standard error is a terminal
  bool line_stands_ = false;
  bool intact_ = true;
};

/// `serinctl: <message>` as one or more lines on standard error.
void complain(Console& console, std::string_view message);

}  // namespace serin::ctl
