#include <algorithm>
#include <array>
#include <vector>

#include "common/config.h"

namespace serin {
namespace {

/// Longer words are not mistyped ones; the limit bounds the table below.
constexpr size_t kLongestWord = 64;
constexpr size_t kMostEdits = 3;

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other
/// (optimal string alignment, the restricted form of Damerau-Levenshtein). Both at most
/// kLongestWord.
size_t edits_between(std::string_view a, std::string_view b) {
  std::array<std::array<size_t, kLongestWord + 1>, kLongestWord + 1> cost{};
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > kLongestWord) return {};
  std::string nearest;
  size_t fewest = std::min(kMostEdits, word.size() - 1) + 1;
  for (const auto& candidate : known) {
    if (candidate.size() > kLongestWord) continue;
    const size_t edits = edits_between(word, candidate);
    if (edits < fewest) {
      fewest = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace serin
