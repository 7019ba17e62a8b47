#include "aggregator/store/store.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <system_error>

#include "common/file.h"

namespace serin::aggregator {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, effect_id TEXT NOT NULL, sink TEXT "
    "NOT NULL,"
    " kind TEXT NOT NULL, body TEXT NOT NULL, created_us INTEGER NOT NULL, next_us INTEGER NOT "
    "NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0, end TEXT NOT NULL DEFAULT '', ended_us INTEGER NOT NULL "
    "DEFAULT 0,"
    " UNIQUE (effect_id, sink)) STRICT;"
    "CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (id) WHERE end = '';"
    "CREATE TABLE IF NOT EXISTS acts (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, answer TEXT "
    "NOT NULL,"
    " at_us INTEGER NOT NULL) STRICT;"
    "PRAGMA user_version = 1;";

bool is_disk_trouble(int code) {
  return code == SQLITE_FULL || code == SQLITE_IOERR;
}
bool is_broken(int code) {
  return code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
}

struct Opened {
  Database database;
  bool fresh = false;
};

/// Opens the file and lays the tables; a check of the pages finds what a half-written disk left
/// behind.
std::expected<Opened, Database::Failure> open_checked(const fs::path& file) {
  auto database = Database::open(file);
  if (!database) return std::unexpected(database.error());
  auto version = database->prepare("PRAGMA user_version");
  if (auto row = version.step(); !row) return std::unexpected(row.error());
  const bool fresh = version.integer(0) == 0;
  constexpr int64_t kNewestKnown = 1;
  if (version.integer(0) > kNewestKnown) {
    return std::unexpected(Database::Failure{
        SQLITE_ERROR,
        fmt::format("it was written by a newer version (schema {}); upgrade serin-aggregator",
                    version.integer(0))});
  }
  auto check = database->prepare("PRAGMA quick_check(1)");
  if (auto row = check.step(); !row) return std::unexpected(row.error());
  if (const std::string answer = check.text(0); answer != "ok") {
    return std::unexpected(Database::Failure{SQLITE_CORRUPT, answer});
  }
  if (auto laid = database->run(kSchema); !laid) return std::unexpected(laid.error());
  return Opened{std::move(*database), fresh};
}

/// The first free name `FILE.broken-N`; the write-ahead log goes along, it belongs to the old file.
Result<std::string> move_aside(const fs::path& file) {
  constexpr int kMostBroken = 100;
  for (int n = 1; n <= kMostBroken; ++n) {
    const fs::path aside = fmt::format("{}.broken-{}", file.string(), n);
    std::error_code error;
    if (fs::exists(aside, error)) continue;
    fs::rename(file, aside, error);
    if (error)
      return fail(fmt::format("{}: cannot be moved aside: {}", file.string(), error.message()));
    std::error_code ignored;
    fs::rename(file.string() + "-wal", aside.string() + "-wal", ignored);
    fs::remove(file.string() + "-shm", ignored);
    return aside.string();
  }
  return fail(fmt::format("{}: more than {} broken copies beside it; remove them", file.string(),
                          kMostBroken));
}

}  // namespace

Store::Store(Database database, fs::path file)
    : database_(std::move(database)), file_(std::move(file)) {}

Result<std::unique_ptr<Store>> Store::open(const fs::path& file) {
  if (auto made = make_folders(file.parent_path(), 0700); !made) {
    return fail(made.error().message + "; [state] dir must belong to the aggregator's user");
  }
  std::string aside;
  auto opened = open_checked(file);
  if (!opened && is_broken(opened.error().code)) {
    auto moved = move_aside(file);
    if (!moved) return std::unexpected(moved.error());
    aside = *moved;
    opened = open_checked(file);
  }
  const bool in_memory = !opened && is_disk_trouble(opened.error().code);
  std::string trouble = in_memory ? opened.error().message : "";
  if (in_memory) opened = open_checked(":memory:");
  if (!opened) {
    return fail(fmt::format("{}: cannot be opened: {}; check the folder's owner and free space",
                            file.string(), opened.error().message));
  }
  if (!in_memory) ::chmod(file.c_str(), 0600);
  auto store = std::unique_ptr<Store>(new Store(std::move(opened->database), file));
  store->fresh_ = opened->fresh;
  store->in_memory_ = in_memory;
  store->set_aside_ = aside;
  if (in_memory) {
    ++store->failures_;
    store->trouble_ = fmt::format("{}: {}", file.string(), trouble);
  }
  return store;
}

std::unexpected<Error> Store::count(const char* what, const Database::Failure& failure) {
  ++failures_;
  trouble_ = fmt::format("{}: {}: {}", file_.string(), what, failure.message);
  return fail(trouble_);
}

/// True when a row was changed.
Result<bool> Store::write(Database::Statement& statement, const char* what) {
  auto row = statement.step();
  if (!row) return count(what, row.error());
  if (!in_memory_) trouble_.clear();
  return database_.changes() > 0;
}

Result<bool> Store::add(const OutboxRow& row) {
  auto statement = database_.prepare(
      "INSERT INTO outbox (effect_id, sink, kind, body, created_us, next_us, attempts) VALUES "
      "(?,?,?,?,?,?,?)"
      " ON CONFLICT DO NOTHING");
  statement.bind(1, row.effect_id).bind(2, row.sink).bind(3, row.kind).bind(4, row.body);
  statement.bind(5, row.created_us).bind(6, row.next_us).bind(7, row.attempts);
  return write(statement, "storing a notification");
}

Result<bool> Store::knows(std::string_view effect_id, std::string_view sink) {
  auto statement = database_.prepare("SELECT 1 FROM outbox WHERE effect_id = ? AND sink = ?");
  auto row = statement.bind(1, effect_id).bind(2, sink).step();
  if (!row) return count("looking up a notification", row.error());
  return *row;
}

Result<void> Store::retry_later(std::string_view effect_id, std::string_view sink, int64_t next_us,
                                int64_t attempts) {
  auto statement = database_.prepare(
      "UPDATE outbox SET next_us = ?, attempts = ? WHERE effect_id = ? AND sink = ? AND end = ''");
  statement.bind(1, next_us).bind(2, attempts).bind(3, effect_id).bind(4, sink);
  auto done = write(statement, "postponing a notification");
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<void> Store::finish(std::string_view effect_id, std::string_view sink, End end,
                           int64_t at_us) {
  auto statement = database_.prepare(
      "UPDATE outbox SET end = ?, ended_us = ?, body = '' WHERE effect_id = ? AND sink = ?");
  statement.bind(1, end == End::delivered ? "delivered" : "given_up").bind(2, at_us);
  statement.bind(3, effect_id).bind(4, sink);
  auto done = write(statement, "finishing a notification");
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<std::vector<OutboxRow>> Store::waiting() {
  auto statement = database_.prepare(
      "SELECT effect_id, sink, kind, body, created_us, next_us, attempts FROM outbox WHERE end = "
      "'' ORDER BY id");
  std::vector<OutboxRow> rows;
  while (true) {
    auto row = statement.step();
    if (!row) return count("reading the outbox", row.error());
    if (!*row) return rows;
    rows.push_back({.effect_id = statement.text(0),
                    .sink = statement.text(1),
                    .kind = statement.text(2),
                    .body = statement.text(3),
                    .created_us = statement.integer(4),
                    .next_us = statement.integer(5),
                    .attempts = statement.integer(6)});
  }
}

Result<void> Store::remember(const ActRecord& act) {
  auto statement = database_.prepare(
      "INSERT INTO acts (key, fingerprint, answer, at_us) VALUES (?,?,?,?)"
      " ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = "
      "excluded.answer,"
      " at_us = excluded.at_us");
  statement.bind(1, act.key).bind(2, act.fingerprint).bind(3, act.answer).bind(4, act.at_us);
  auto done = write(statement, "storing an idempotency key");
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<std::optional<ActRecord>> Store::act(std::string_view key) {
  auto statement =
      database_.prepare("SELECT key, fingerprint, answer, at_us FROM acts WHERE key = ?");
  auto row = statement.bind(1, key).step();
  if (!row) return count("looking up an idempotency key", row.error());
  if (!*row) return std::nullopt;
  return ActRecord{statement.text(0), statement.text(1), statement.text(2), statement.integer(3)};
}

Result<void> Store::trim(int64_t now_us) {
  auto acts = database_.prepare("DELETE FROM acts WHERE at_us < ?1 OR at_us > ?2");
  // A clock that was ahead for a while must not keep rows for ever: an hour of the future is the
  // limit.
  constexpr int64_t kHourUs = 3600LL * 1'000'000;
  acts.bind(1, now_us - kActLifeUs).bind(2, now_us + kHourUs);
  if (auto done = write(acts, "trimming acts"); !done) return std::unexpected(done.error());
  auto old = database_.prepare("DELETE FROM outbox WHERE end != '' AND ended_us < ?");
  old.bind(1, now_us - kDeliveredLifeUs);
  if (auto done = write(old, "trimming the outbox"); !done) return std::unexpected(done.error());
  auto many = database_.prepare(
      "DELETE FROM outbox WHERE end != '' AND id <= (SELECT max(id) FROM outbox) - ?");
  many.bind(1, kMostRows);
  if (auto done = write(many, "trimming the outbox"); !done) return std::unexpected(done.error());
  return {};
}

}  // namespace serin::aggregator
