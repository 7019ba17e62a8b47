#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/error.h"

namespace shop {

/// What production's data look like and staging's do not. Ids grow with time, so the oldest and
/// largest customers have the smallest ids.
struct DataShape {
  int customers = 2000;
  int large_customers = 20;  ///< 1 %, with a thousand times the orders of the others
  int orders_of_large = 20000;
  double median_orders = 12;
  double legacy_share = 0.20;  ///< rows imported before 2019, without a loyalty tier
};

/// Writes FOLDER/shop.db, the same bytes of data for the same seed; an existing file is replaced at
/// once, whole.
serin::Result<void> write_data(const std::filesystem::path& folder, uint64_t seed,
                               const DataShape& shape);

}  // namespace shop
