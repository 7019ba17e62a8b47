#include "demo/shop/release.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <fstream>

namespace shop {
namespace {

constexpr std::array kBehaviours = {
    Behaviour{"good-1", "what runs everywhere", [](Traits&) {}},
    Behaviour{"good-2", "nothing wrong: a release like the one before it", [](Traits&) {}},
    Behaviour{"null-field", "reads a field that legacy rows do not have: their pages answer 500",
              [](Traits& traits) { traits.needs_loyalty_tier = true; }},
    Behaviour{"slow-query", "a query without an index: time grows with the customer's orders",
              [](Traits& traits) { traits.scans_orders = true; }},
    Behaviour{"crash-loop", "does not start with production's configuration",
              [](Traits& traits) { traits.timeout_in_seconds = true; }},
    Behaviour{"unicode", "cuts long names between bytes: some names outside ASCII answer 500",
              [](Traits& traits) { traits.cuts_names_bytewise = true; }},
    Behaviour{"pool", "does not give connections back: the pool runs out, requests hang",
              [](Traits& traits) { traits.forgets_connections = true; }},
    Behaviour{"stampede", "a cache expires for all at once, and every request rebuilds it",
              [](Traits& traits) { traits.counts_on_every_miss = true; }},
    Behaviour{"lock", "a lock held across I/O: latency grows with concurrency",
              [](Traits& traits) { traits.locks_across_io = true; }},
    Behaviour{"double-charge", "two workers charge the same order: no error anywhere",
              [](Traits& traits) { traits.hedges_charges = true; }},
    Behaviour{"rate-limit", "calls the partner twice as often and runs into its limit",
              [](Traits& traits) { traits.asks_for_quotes = true; }},
    Behaviour{"slow-webhook", "waits up to 30 s for the partner's word, and asks again",
              [](Traits& traits) { traits.awaits_confirmations = true; }},
    Behaviour{"error-format", "cannot read the errors of a partner that is degraded",
              [](Traits& traits) { traits.expects_staging_errors = true; }},
    Behaviour{"leak", "keeps every session in memory",
              [](Traits& traits) { traits.keeps_sessions = true; }},
    Behaviour{"fd-leak", "never closes the sockets that it opens",
              [](Traits& traits) { traits.leaves_sockets_open = true; }},
    Behaviour{"crash", "dies on an order above 327.67 €",
              [](Traits& traits) { traits.amounts_in_16_bits = true; }},
    Behaviour{"cpu", "a hot loop: twice the CPU for a page, which nobody sees in latency yet",
              [](Traits& traits) { traits.fingerprints_pages = true; }},
    Behaviour{"half-feature", "the checkout button is gone: no error, fewer orders",
              [](Traits& traits) { traits.hides_checkout = true; }},
    Behaviour{"silent", "answers 200 with an empty body",
              [](Traits& traits) { traits.renders_nothing = true; }},
};

}  // namespace

std::span<const Behaviour> behaviours() {
  return kBehaviours;
}

serin::Result<Release> load_release(const std::filesystem::path& folder) {
  Release release{.name = folder.filename().string(), .behaviours = {}, .traits = {}};
  const auto file = folder / "behaviour";
  std::ifstream in(file);
  if (!in) return serin::fail(fmt::format("cannot read {}", file.string()));
  std::string line;
  while (std::getline(in, line)) {
    line.resize(std::min(line.find('#'), line.size()));
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    if (line.empty()) continue;
    const auto row = std::ranges::find(kBehaviours, line, &Behaviour::name);
    if (row == kBehaviours.end()) {
      return serin::fail(
          fmt::format("{}: no behaviour '{}' (see shop --behaviours)", file.string(), line));
    }
    row->apply(release.traits);
    release.behaviours.push_back(line);
  }
  return release;
}

serin::Result<std::filesystem::path> own_folder() {
  std::error_code error;
  const auto exe = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return serin::fail(fmt::format("cannot read /proc/self/exe: {}", error.message()));
  return exe.parent_path();
}

}  // namespace shop
