#include "demo/shop/data.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <cmath>

#include "demo/draw/draw.h"
#include "demo/shop/store.h"

namespace shop {
namespace {

constexpr std::array kFirstNames = {"Ana",      "Björn", "Chloé",  "Dmitri", "Éloïse", "Fatıma",
                                    "Grzegorz", "Håkon", "Ines",   "José",   "Jürgen", "Lærke",
                                    "Mária",    "Noël",  "Øyvind", "Zoë",    "花子",   "Юлия"};
constexpr std::array kLastNames = {
    "Müller", "García", "Nowak",  "Łukasiewicz", "O'Brien", "Sørensen", "D’Angelo", "Şahin",
    "山田",   "Иванов", "Dvořák", "Smith",       "Petit",   "Žižek",    "Ångström", "Nguyễn"};
constexpr std::array kTowns = {"Zürich", "København", "Málaga", "Kraków",
                               "İzmir",  "Tromsø",    "Leeds",  "東京"};
constexpr std::array kTiers = {"basic", "silver", "gold"};
constexpr std::array kNotes = {
    "", "", "", "leave with the neighbour", "ring twice", "a gift: no price tag, please"};

template <size_t N>
const char* pick(Draw& draw, const std::array<const char*, N>& words) {
  return words[draw.below(N)];
}

int orders_of(Draw& draw, int id, const DataShape& shape) {
  if (id <= shape.large_customers) {
    return static_cast<int>(shape.orders_of_large * (0.5 + draw.unit()));
  }
  return std::min(400, static_cast<int>(draw.lognormal(shape.median_orders, 0.9)));
}

class Writer {
 public:
  static serin::Result<Writer> over(sqlite3* db) {
    auto customer = prepare(db, "INSERT INTO customers VALUES (?, ?, ?, ?, ?)");
    if (!customer) return std::unexpected(customer.error());
    auto order =
        prepare(db, "INSERT INTO orders (customer, placed, cents, note) VALUES (?, ?, ?, ?)");
    if (!order) return std::unexpected(order.error());
    return Writer(std::move(*customer), std::move(*order));
  }

  serin::Result<void> customer(Draw& draw, int id, const DataShape& shape) {
    sqlite3_stmt* row = customer_.get();
    const std::string name = fmt::format("{} {}", pick(draw, kFirstNames), pick(draw, kLastNames));
    const bool legacy = draw.unit() < shape.legacy_share && id > shape.large_customers;
    const int orders = orders_of(draw, id, shape);
    sqlite3_bind_int(row, 1, id);
    sqlite3_bind_text(row, 2, name.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(row, 3, pick(draw, kTowns), -1, SQLITE_STATIC);
    if (legacy) {
      sqlite3_bind_null(row, 4);
    } else {
      sqlite3_bind_text(row, 4, pick(draw, kTiers), -1, SQLITE_STATIC);
    }
    sqlite3_bind_int(row, 5, orders);
    if (auto stepped = step(row); !stepped) return stepped;
    for (int i = 0; i < orders; ++i) {
      if (auto stepped = order(draw, id); !stepped) return stepped;
    }
    return {};
  }

 private:
  Writer(Statement customer, Statement order)
      : customer_(std::move(customer)), order_(std::move(order)) {}

  serin::Result<void> order(Draw& draw, int customer) {
    constexpr int64_t kOpened = 1'420'070'400;  // 2015-01-01
    constexpr uint64_t kOpenSeconds = 340'000'000;
    sqlite3_stmt* row = order_.get();
    sqlite3_bind_int(row, 1, customer);
    sqlite3_bind_int64(row, 2, kOpened + static_cast<int64_t>(draw.below(kOpenSeconds)));
    sqlite3_bind_int64(row, 3, static_cast<int64_t>(draw.lognormal(3500, 0.8)));
    sqlite3_bind_text(row, 4, pick(draw, kNotes), -1, SQLITE_STATIC);
    return step(row);
  }

  static serin::Result<void> step(sqlite3_stmt* row) {
    const int code = sqlite3_step(row);
    sqlite3_reset(row);
    if (code != SQLITE_DONE) {
      return serin::fail(fmt::format("cannot write the data: {}", sqlite3_errstr(code)));
    }
    return {};
  }

  Statement customer_, order_;
};

serin::Result<void> fill(sqlite3* db, uint64_t seed, const DataShape& shape) {
  auto begun =
      run(db,
          "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
          "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT NOT NULL,"
          " loyalty_tier TEXT, order_count INTEGER NOT NULL);"
          "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, placed INTEGER "
          "NOT NULL,"
          " cents INTEGER NOT NULL, note TEXT NOT NULL);"
          "BEGIN");
  if (!begun) return begun;
  auto writer = Writer::over(db);
  if (!writer) return std::unexpected(writer.error());
  Draw draw(seed);
  for (int id = 1; id <= shape.customers; ++id) {
    if (auto written = writer->customer(draw, id, shape); !written) return written;
  }
  return run(db,
             "COMMIT;"
             "CREATE INDEX orders_by_customer ON orders (customer, placed);"
             "CREATE INDEX customers_by_name ON customers (name);");
}

}  // namespace

serin::Result<void> write_data(const std::filesystem::path& folder, uint64_t seed,
                               const DataShape& shape) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto fresh = folder / "shop.db.new";
  std::filesystem::remove(fresh, error);
  {
    auto db = open_database(fresh, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (!db) return std::unexpected(db.error());
    if (auto filled = fill(db->get(), seed, shape); !filled) return filled;
  }
  std::filesystem::rename(fresh, folder / "shop.db", error);
  if (error)
    return serin::fail(fmt::format("cannot place {}: {}", fresh.string(), error.message()));
  return {};
}

}  // namespace shop
