#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace shop {

/// What a release does differently from the shop as it should be. All of these are real code paths
/// of the pages, chosen by the release: nothing here rolls dice to pretend that something failed.
struct Traits {
  bool needs_loyalty_tier = false;  ///< reads a field that rows from before 2019 do not have
  bool scans_orders =
      false;  ///< compares every order of a customer with the others instead of taking the newest
  bool timeout_in_seconds = false;  ///< takes payment_timeout for a bare number of seconds
};

/// One way in which a release can be wrong (or not): a row of the table in release.cpp.
struct Behaviour {
  std::string_view name;
  std::string_view what;  ///< one sentence for people
  void (*apply)(Traits&);
};

std::span<const Behaviour> behaviours();

/// A release is a folder: this binary, and a file `behaviour` that lists rows of the table, one a
/// line
/// ('#' begins a comment). An empty file is a release that does nothing wrong.
struct Release {
  std::string name;  ///< the folder's name
  std::vector<std::string> behaviours;
  Traits traits;
};

serin::Result<Release> load_release(const std::filesystem::path& folder);
/// The folder that the running executable lies in, links resolved by the kernel.
serin::Result<std::filesystem::path> own_folder();

}  // namespace shop
