#include "aggregator/store/database.h"

#include <fmt/core.h>

namespace serin::aggregator {

namespace {

Database::Failure failure_of(sqlite3* handle, int code) {
  return {code & 0xff, handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code)};
}

}  // namespace

std::expected<Database, Database::Failure> Database::open(const std::filesystem::path& file) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      file.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
      nullptr);
  Database database;
  database.handle_.reset(handle);
  if (code != SQLITE_OK) return std::unexpected(failure_of(handle, code));
  sqlite3_busy_timeout(handle, 0);  // the loop must not wait; nobody else should have the file open
  // NORMAL: with the WAL a power cut may take the last rows, but never the file. What is lost is
  // made again: notifications come from the stream and leave at least once, a repeated act has the
  // same id. A sync at each row would only stop the loop for it.
  auto set = database.run(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=1048576;"
      "PRAGMA trusted_schema=OFF;");
  if (!set) return std::unexpected(set.error());
  return database;
}

std::expected<void, Database::Failure> Database::run(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(failure_of(handle_.get(), code));
  return {};
}

void Database::limit_pages(int64_t pages) {
  constexpr int64_t kNoLimit = 1'073'741'823;  // SQLite's own default
  auto set = run(fmt::format("PRAGMA max_page_count={}", pages > 0 ? pages : kNoLimit).c_str());
  SERIN_VERIFY(set.has_value());
}

int64_t Database::pages() {
  auto statement = prepare("PRAGMA page_count");
  auto row = statement.step();
  return row && *row ? statement.integer(0) : 0;
}

Database::Statement Database::prepare(const char* sql) {
  Statement result;
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(handle_.get(), sql, -1, &raw, nullptr);
  result.statement_.reset(raw);
  result.database_ = handle_.get();
  if (code != SQLITE_OK) result.prepare_failure_ = failure_of(handle_.get(), code);
  return result;
}

Database::Statement& Database::Statement::bind(int index, std::string_view text) {
  if (statement_) {
    sqlite3_bind_text(statement_.get(), index, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
  }
  return *this;
}

Database::Statement& Database::Statement::bind(int index, int64_t value) {
  if (statement_) sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

std::expected<bool, Database::Failure> Database::Statement::step() {
  if (!statement_) return std::unexpected(prepare_failure_);
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(failure_of(database_, code));
}

std::string Database::Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

int64_t Database::Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

}  // namespace serin::aggregator
