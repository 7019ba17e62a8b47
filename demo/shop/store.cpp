#include "demo/shop/store.h"

#include <fmt/core.h>
#include <algorithm>
#include <fstream>
#include <thread>

#include "demo/draw/draw.h"

namespace shop {
namespace {

constexpr double kRoundTripMedianMs = 3.0;
constexpr double kRoundTripSigma = 0.7;
constexpr auto kLoadIsReadEvery = std::chrono::milliseconds(500);

std::string complaint(sqlite3* db, const std::string& what) {
  return fmt::format("{}: {}", what, db ? sqlite3_errmsg(db) : "out of memory");
}

}  // namespace

serin::Result<Database> open_database(const std::filesystem::path& file, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Database db(raw);
  if (code != SQLITE_OK) return serin::fail(complaint(raw, "cannot open " + file.string()));
  sqlite3_busy_timeout(raw, 2000);
  return db;
}

serin::Result<Statement> prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &raw, nullptr) != SQLITE_OK) {
    return serin::fail(complaint(db, "cannot prepare a query"));
  }
  return Statement(raw);
}

serin::Result<void> run(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return serin::fail(complaint(db, "cannot run a query"));
  }
  return {};
}

serin::Result<std::unique_ptr<Pool>> Pool::open(const std::filesystem::path& file) {
  std::unique_ptr<Pool> pool(new Pool(file.parent_path() / "LOAD"));
  for (int i = 0; i < kConnections; ++i) {
    auto db = open_database(file, SQLITE_OPEN_READONLY);
    if (!db) return std::unexpected(db.error());
    pool->free_.push_back(std::move(*db));
  }
  return pool;
}

serin::Result<Pool::Lease> Pool::borrow() {
  Database db;
  {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_for(lock, kPatience, [this] { return !free_.empty(); })) {
      return serin::fail("no database connection became free");
    }
    db = std::move(free_.back());
    free_.pop_back();
  }
  Lease lease(*this, std::move(db));
  travel_to_database();
  return lease;
}

void Pool::travel_to_database() {
  thread_local Draw draw(std::hash<std::thread::id>{}(std::this_thread::get_id()));
  const double ms = slowness() * draw.lognormal(kRoundTripMedianMs, kRoundTripSigma);
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(ms));
}

double Pool::slowness() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_at_load_ >= kLoadIsReadEvery) {
    looked_at_load_ = now;
    slowness_ = 1;
    if (std::ifstream in(load_file_); in) in >> slowness_;
    slowness_ = std::clamp(slowness_, 1.0, 1000.0);
  }
  return slowness_;
}

serin::Result<void> Pool::warm_up() {
  auto lease = borrow();
  if (!lease) return std::unexpected(lease.error());
  return run(lease->get(),
             "SELECT count(*), sum(cents) FROM orders; SELECT count(DISTINCT name) FROM customers");
}

void Pool::give_back(Database db) {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(db));
  }
  freed_.notify_one();
}

void Pool::lost(Database db) {
  const std::lock_guard lock(mutex_);
  lost_.push_back(std::move(db));
}

Pool::Lease::~Lease() {
  if (db_) pool_->give_back(std::move(db_));
}

serin::Result<std::unique_ptr<Orders>> Orders::open(const std::filesystem::path& file) {
  auto db = open_database(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!db) return std::unexpected(db.error());
  auto ready =
      run(db->get(),
          "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
          "CREATE TABLE IF NOT EXISTS placed (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL,"
          " cents INTEGER NOT NULL, receipt TEXT NOT NULL)");
  if (!ready) return std::unexpected(ready.error());
  auto insert =
      prepare(db->get(), "INSERT INTO placed (customer, cents, receipt) VALUES (?, ?, ?)");
  if (!insert) return std::unexpected(insert.error());
  return std::unique_ptr<Orders>(new Orders(std::move(*db), std::move(*insert)));
}

serin::Result<void> Orders::place(int64_t customer, int64_t cents, const std::string& receipt) {
  const std::lock_guard lock(mutex_);
  sqlite3_stmt* statement = insert_.get();
  sqlite3_bind_int64(statement, 1, customer);
  sqlite3_bind_int64(statement, 2, cents);
  sqlite3_bind_text(statement, 3, receipt.c_str(), -1, SQLITE_TRANSIENT);
  const int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  if (code != SQLITE_DONE) return serin::fail(complaint(db_.get(), "cannot place the order"));
  return {};
}

}  // namespace shop
