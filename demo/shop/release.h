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
  bool timeout_in_seconds = false;    ///< takes payment_timeout for a bare number of seconds
  bool cuts_names_bytewise = false;   ///< shortens a heading in the middle of a character
  bool forgets_connections = false;   ///< a search that finds nothing keeps its connection
  bool counts_on_every_miss = false;  ///< whoever finds the bestsellers expired counts them anew
  bool locks_across_io = false;       ///< one lock, held while database and partner are asked
  bool hedges_charges = false;        ///< charges again where the first answer is slow
  bool asks_for_quotes = false;       ///< asks the partner for the price before each charge
  bool awaits_confirmations = false;  ///< waits until the partner has looked at a large payment
  bool expects_staging_errors = false;  ///< reads the partner's errors as staging words them
  bool keeps_sessions = false;          ///< remembers every visit, for ever
  bool leaves_sockets_open = false;     ///< tells the warehouse of each order by a new socket
  bool amounts_in_16_bits = false;      ///< no order is above 327.67 €, is it
  bool fingerprints_pages = false;      ///< hashes each page many times over, for a cache to come
  bool hides_checkout = false;          ///< the new layout has no place for the button
  bool renders_nothing = false;         ///< the new template ends before it begins
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
