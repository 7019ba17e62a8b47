#pragma once

#include <sqlite3.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/error.h"

namespace shop {

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

serin::Result<Database> open_database(const std::filesystem::path& file, int flags);
serin::Result<Statement> prepare(sqlite3* db, const char* sql);
serin::Result<void> run(sqlite3* db, const char* sql);

/// The shop's connections to its catalogue: a fixed number, borrowed for one request and given
/// back. Standing in for a database across the network, each borrowing costs a round trip drawn
/// from a heavy-tailed distribution. A file LOAD beside the database, if there, says how many times
/// as long that takes while the database has trouble, for every host alike. Thread-safe.
class Pool {
 public:
  static constexpr int kConnections = 20;
  static constexpr auto kPatience = std::chrono::seconds(5);  ///< then the request fails

  static serin::Result<std::unique_ptr<Pool>> open(const std::filesystem::path& file);

  class Lease {
   public:
    Lease(Pool& pool, Database db) : pool_(&pool), db_(std::move(db)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    sqlite3* get() const { return db_.get(); }
    /// Never gives it back.
    void keep() { pool_->lost(std::move(db_)); }

   private:
    Pool* pool_;
    Database db_;
  };
  /// Waits for a free connection at most kPatience.
  serin::Result<Lease> borrow();
  /// Reads the catalogue once, so that the first customers do not pay for cold pages.
  serin::Result<void> warm_up();

 private:
  explicit Pool(std::filesystem::path load_file) : load_file_(std::move(load_file)) {}
  void travel_to_database();
  double slowness();
  void give_back(Database db);
  void lost(Database db);
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Database> free_;
  std::vector<Database> lost_;  ///< open, and of use to nobody
  std::filesystem::path load_file_;
  std::chrono::steady_clock::time_point looked_at_load_{};
  double slowness_ = 1;
};

/// Orders placed on this host: its own file, written by one connection under a lock.
class Orders {
 public:
  static serin::Result<std::unique_ptr<Orders>> open(const std::filesystem::path& file);
  serin::Result<void> place(int64_t customer, int64_t cents, const std::string& receipt);

 private:
  Orders(Database db, Statement insert) : db_(std::move(db)), insert_(std::move(insert)) {}
  std::mutex mutex_;
  Database db_;
  Statement insert_;
};

}  // namespace shop
