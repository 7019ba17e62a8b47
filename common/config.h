#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace serin {

/// Strict reading of a TOML file. Every key that is read is ticked off; finish() reports what was
/// mistyped, unknown (with file, line and the nearest known key) or missing, all problems at once,
/// one per line. toml++ stays behind config.cpp.
class ConfigTable {
 public:
  static Result<ConfigTable> parse_file(const std::filesystem::path& file);
  static Result<ConfigTable> parse_text(std::string_view text, std::string name_for_errors);
  ~ConfigTable();
  ConfigTable(ConfigTable&&) noexcept;
  ConfigTable& operator=(ConfigTable&&) noexcept;

  // A value of another type, or outside its limits, is a recorded problem and reads as absent.
  std::optional<std::string> string(std::string_view key);
  std::optional<int64_t> integer(std::string_view key, int64_t least, int64_t most);
  /// One number counts as a list of one.
  std::optional<std::vector<int64_t>> integers(std::string_view key, int64_t least, int64_t most);
  std::optional<double> number(std::string_view key, double least, double most);
  std::optional<bool> boolean(std::string_view key);
  /// One string counts as a list of one.
  std::optional<std::vector<std::string>> strings(std::string_view key);
  /// "10m", "45s", "250ms", "2h", "1d": seconds (common/duration.h).
  std::optional<double> duration_seconds(std::string_view key);
  /// "10%" -> 0.10; a bare number in [0, 1] is taken as it is.
  std::optional<double> share(std::string_view key);
  /// All keys of a table whose values are strings (labels).
  std::vector<std::pair<std::string, std::string>> string_map();
  /// Sub-table `[key]` or inline `{…}`; shares the problem list of its root.
  std::optional<ConfigTable> table(std::string_view key);
  /// `[[key]]`; empty when absent.
  std::vector<ConfigTable> tables(std::string_view key);
  /// The names of all sub-tables (`[policy.default]` read from `policy` gives "default").
  std::vector<std::string> table_names();
  /// What kind of value stands at a key, without ticking it off.
  enum class Kind { absent, string, integer, number, boolean, array, table, other };
  Kind kind(std::string_view key) const;
  bool has(std::string_view key) const { return kind(key) != Kind::absent; }

  /// Ticks off a key that is somebody else's to read.
  void leave(std::string_view key);

  /// Records a problem of meaning ("must be …") at a key, with its line.
  void problem(std::string_view key, std::string_view what);
  /// Records a missing key with what it is for.
  void missing(std::string_view key, std::string_view what_for);
  /// On the root, after everything was read: unknown keys become problems; an error lists them all.
  Result<void> finish();

 private:
  struct Impl;
  explicit ConfigTable(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The known word nearest to `word` (Damerau-Levenshtein distance at most 3 and less than its
/// length), or empty.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace serin
