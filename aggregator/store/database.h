#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace serin::aggregator {

/// One SQLite connection. Not thread-safe: the loop owns it. A statement that fails leaves the file
/// as it was.
class Database {
 public:
  struct Failure {
    int code = 0;  ///< SQLite's primary result code
    std::string message;
  };

  /// WAL, synchronous=FULL (an acknowledged row survives a power cut), no waiting for locks.
  static std::expected<Database, Failure> open(const std::filesystem::path& file);

  [[nodiscard]] std::expected<void, Failure> run(const char* sql);
  /// For tests: a ceiling for the file, as a full disk sets one. 0 lifts it.
  void limit_pages(int64_t pages);
  [[nodiscard]] int64_t pages();

  /// One prepared statement at work. Bind from 1, then step until it is done.
  class Statement {
   public:
    Statement& bind(int index, std::string_view text);
    Statement& bind(int index, int64_t value);
    /// true: a row is there. false: done.
    [[nodiscard]] std::expected<bool, Failure> step();
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] int64_t integer(int column) const;

   private:
    friend class Database;
    struct Finalise {
      void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    std::unique_ptr<sqlite3_stmt, Finalise> statement_;
    sqlite3* database_ = nullptr;
    Failure prepare_failure_;
  };
  [[nodiscard]] Statement prepare(const char* sql);
  [[nodiscard]] int64_t changes() const { return sqlite3_changes64(handle_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace serin::aggregator
