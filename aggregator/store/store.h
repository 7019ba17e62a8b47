#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/store/database.h"
#include "common/error.h"

namespace serin::aggregator {

/// One notification on its way to one sink.
struct OutboxRow {
  std::string effect_id, sink;
  std::string kind;
  std::string body;  ///< as it is sent
  int64_t created_us = 0;
  int64_t next_us = 0;  ///< wall clock; not before
  int64_t attempts = 0;
};

/// The answer that an act got, kept for its idempotency key.
struct ActRecord {
  std::string key;          ///< actor and idempotency key
  std::string fingerprint;  ///< of the request it belongs to
  std::string answer;       ///< JSON body of the 202
  int64_t at_us = 0;
};

/// The aggregator's SQLite file: outbox of notifications and idempotency keys. Nothing is decided
/// by it; the streams are the truth. So every failure (a full disk above all) is an error value,
/// counted here, and the caller goes on from memory and tries again. A file that is no database any
/// more is set aside and begun anew.
///
/// Loop thread only. Each call is one small transaction, synced: about 1 ms on a disk, none of them
/// per sample.
class Store {
 public:
  static constexpr int64_t kActLifeUs = 24LL * 3600 * 1'000'000;  ///< CONTRACTS §12
  static constexpr int64_t kDeliveredLifeUs =
      7LL * 24 * 3600 * 1'000'000;  ///< > any replay of SERIN_INPUT
  static constexpr int64_t kMostRows =
      100'000;  ///< of each table; the oldest finished ones go first

  /// On a disk that is full or failing the aggregator must start nevertheless: then the store lives in memory until the
  /// next start, and `trouble()` says so.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file);

  /// True when this open began with an empty file: then what the outbox held before is unknown.
  [[nodiscard]] bool fresh() const { return fresh_; }
  [[nodiscard]] bool in_memory() const { return in_memory_; }
  /// Set when a broken file was moved aside at open.
  [[nodiscard]] const std::string& set_aside() const { return set_aside_; }

  /// True when it is new. False: this effect is known for this sink, delivered or not.
  Result<bool> add(const OutboxRow& row);
  Result<bool> knows(std::string_view effect_id, std::string_view sink);
  Result<void> retry_later(std::string_view effect_id, std::string_view sink, int64_t next_us,
                           int64_t attempts);
  enum class End { delivered, given_up };
  Result<void> finish(std::string_view effect_id, std::string_view sink, End end, int64_t at_us);
  /// Everything not finished, in the order in which it was added.
  Result<std::vector<OutboxRow>> waiting();

  Result<void> remember(const ActRecord& act);
  Result<std::optional<ActRecord>> act(std::string_view key);

  /// Forgets what is older than its life. Cheap; every few minutes.
  Result<void> trim(int64_t now_us);

  [[nodiscard]] uint64_t failures() const { return failures_; }
  /// The last failure, empty again after the next success of a write.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  Database& database() { return database_; }

 private:
  Store(Database database, std::filesystem::path file);
  Result<bool> write(Database::Statement& statement, const char* what);
  std::unexpected<Error> count(const char* what, const Database::Failure& failure);

  Database database_;
  std::filesystem::path file_;
  bool fresh_ = false, in_memory_ = false;
  std::string set_aside_;
  uint64_t failures_ = 0;
  std::string trouble_;
};

}  // namespace serin::aggregator
