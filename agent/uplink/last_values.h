#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/bus/connection.h"

namespace serin::agent {

/// Asks the streams for the last command and the last attention of every service, after each
/// (re)connect, and again until each question was answered: a server that has just started, or a
/// stream that is not there yet, must not cost a command. Nothing blocks: answers come to a
/// subscription of their own. Used by the uplink thread only.
class LastValues {
 public:
  enum class What { command, attention };

  LastValues(const std::string& host, const std::vector<std::string>& services);

  /// All over again: nothing has been answered. Answers go to `inbox`.<number>.
  void restart(std::string inbox, std::chrono::steady_clock::time_point now);
  /// Sends the questions that are due. The text of what is wrong when a question was not answered
  /// within its second.
  std::optional<std::string> ask(const bus::Connection& connection,
                                 std::chrono::steady_clock::time_point now);
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next() const;

  struct Answer {
    What what = What::command;
    std::string service;
    bool has_value = false;  ///< false: there is none, or the question will be asked again
  };
  /// What an answer is about; nullopt for one that nobody waits for any more.
  std::optional<Answer> answered(natsMsg* message);
  /// A live message is newer than any answer that is still under way.
  void overtaken(What what, const std::string& service);

 private:
  struct Question {
    What what = What::command;
    std::string service;
    std::string subject;
    bool open = true, asked = false;
    std::chrono::steady_clock::time_point due{};
    std::chrono::milliseconds patience{};
  };

  std::string inbox_;
  std::vector<Question> questions_;
};

}  // namespace serin::agent
