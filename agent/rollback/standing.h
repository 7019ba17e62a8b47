#pragma once

#include <string>
#include <vector>

#include "agent/rollback/settings.h"

// What signed commands have said about versions of a service: a confirm that one is healthy, a
// rollback that one is not. The later word about a version counts.

namespace serin::helper {

struct Word {
  int64_t issued_us = 0;  ///< canonical time
  bool confirmed = false;
  std::string version;
};

class Standing {
 public:
  Standing(const Settings& settings, std::string service);
  /// Newest first.
  [[nodiscard]] const std::vector<Word>& words() const { return words_; }
  [[nodiscard]] bool is_confirmed(const std::string& version) const;
  [[nodiscard]] bool is_condemned(const std::string& version) const;
  /// The version that was confirmed last; empty when none was.
  [[nodiscard]] std::string confirmed() const;
  /// On disk when it returns. False when a later word about this version is known.
  Result<bool> add(Word word);

 private:
  [[nodiscard]] const Word* of(const std::string& version) const;

  std::filesystem::path folder_;
  std::string service_;
  std::vector<Word> words_;
};

}  // namespace serin::helper
