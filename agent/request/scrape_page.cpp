#include "agent/request/scrape_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "agent/request/checksum.h"

namespace serin::agent {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::string_view kBucket = "_bucket";

bool is_one_of(const std::vector<MetricSelector>& selectors, std::string_view name,
               const PrometheusLine& line) {
  return std::ranges::any_of(selectors, [&](const MetricSelector& selector) {
    return selector.matches(name, [&](std::string_view label) { return line.label(label); });
  });
}

std::optional<double> edge_of(std::string_view text) {
  if (text == "+Inf") return kInfinity;
  double edge = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), edge);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::isnan(edge) ? std::nullopt : std::optional(edge);
}

/// `503`; 1 where it is no status, as a request of no class.
uint32_t status_number(std::string_view text) {
  uint32_t status = 1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (text.size() == 3 && text.ends_with("xx") && text[0] >= '1' && text[0] <= '5')
    return static_cast<uint32_t>(text[0] - '0') * 100;
  return error == std::errc{} && end == text.data() + text.size() && text.size() == 3 ? status : 1;
}

}  // namespace

ScrapePage::ScrapePage(const ServiceFile& service, size_t index)
    : requests_(service.requests.at(index)),
      business_(service.business),
      classes_(ClassRules::of_labels(service)) {}

void ScrapePage::begin() {
  rest_.clear();
  entries_.clear();
  discarding_ = too_many_ = ended_ = false;
  lines_ = 0;
}

void ScrapePage::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    std::string_view part = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (rest_.size() + part.size() > kMostLineBytes && !discarding_) {
      discarding_ = true;
      ++skipped_;
      rest_.clear();
    }
    if (end == std::string_view::npos) {
      if (!discarding_) rest_ += part;
      // Not empty: the page must not end here.
      if (discarding_) rest_ = "#";
      return;
    }
    if (!std::exchange(discarding_, false)) {
      if (rest_.empty()) {
        read_line(part);
      } else {
        rest_ += part;
        read_line(rest_);
      }
    }
    rest_.clear();
  }
}

void ScrapePage::read_line(std::string_view line) {
  if (ended_ && !line.empty()) ended_ = false;  // more after the end is not the end
  if (line.empty()) return;
  if (line.starts_with('#')) {
    if (line.starts_with("# EOF")) ended_ = true;
    return;
  }
  if (++lines_ > kMostLines) return;
  auto sample = parse_prometheus(line);
  if (!sample) {
    ++skipped_;
    return;
  }
  read_sample(*sample);
}

void ScrapePage::read_sample(const PrometheusLine& line) {
  if (!std::isfinite(line.value) || line.value < 0) return;
  if (is_one_of(requests_.requests, line.name, line)) {
    const auto& label = requests_.status_label;
    note(line, label ? Kind::status : Kind::request, label ? status_number(line.label(*label)) : 0);
  }
  if (is_one_of(requests_.errors, line.name, line)) note(line, Kind::error, 0);
  if (!requests_.latency.empty()) read_latency(line);
  for (size_t i = 0; i < business_.size(); ++i)
    if (is_one_of(business_[i].metric, line.name, line))
      note(line, Kind::business, static_cast<uint32_t>(i));
}

void ScrapePage::read_latency(const PrometheusLine& line) {
  if (!line.name.ends_with(kBucket)) return;
  auto stem = line.name.substr(0, line.name.size() - kBucket.size());
  if (!is_one_of(requests_.latency, stem, line)) return;
  if (auto edge = edge_of(line.label("le"))) {
    note(line, Kind::bucket, 0, *edge);
  } else {
    ++skipped_;
  }
}

void ScrapePage::note(const PrometheusLine& line, Kind kind, uint32_t detail, double edge) {
  if (entries_.size() >= kMostSeries) {
    too_many_ = true;
    return;
  }
  Entry entry{.value = line.value, .edge = edge, .detail = detail, .kind = kind};
  if (kind != Kind::business)
    entry.class_index = static_cast<uint8_t>(
        classes_.find_by_label([&](std::string_view label) { return line.label(label); }));
  entry.key = fnv1a(line.labels, fnv1a(line.name));
  entry.key = entry.key * 31 + static_cast<uint64_t>(kind) * 257 + detail;
  if (kind == Kind::bucket) {
    // The labels but for the edge, wherever that stands among them.
    std::string_view le = line.label("le");
    auto at = static_cast<size_t>(le.data() - line.labels.data());
    entry.group = fnv1a(line.labels.substr(0, at), fnv1a(line.name));
    entry.group = fnv1a(line.labels.substr(at + le.size()), entry.group) | 1;
  }
  entries_.push_back(entry);
}

size_t ScrapePage::end_of_group(size_t begin) const {
  size_t end = begin + 1;
  if (entries_[begin].kind != Kind::bucket) return end;
  while (end < entries_.size() && entries_[end].kind == Kind::bucket &&
         entries_[end].group == entries_[begin].group &&
         entries_[end].edge > entries_[end - 1].edge)
    ++end;
  return end;
}

Result<void> ScrapePage::finish(bool must_have_end, uint32_t span, MetricBatch& batch) {
  if (lines_ > kMostLines)
    return fail(
        fmt::format("its page has more than {} lines; let it serve a smaller one", kMostLines));
  if (too_many_)
    return fail(
        fmt::format("more than {} series are meant; name fewer labels or metrics", kMostSeries));
  if (!rest_.empty()) return fail("its page ends within a line");
  if (must_have_end && !ended_) return fail("its page ends without # EOF");
  // A histogram's buckets follow each other, whatever else a line of it was taken for.
  std::ranges::stable_sort(entries_, {}, &Entry::kind);
  bool is_first = last_.empty();
  for (size_t i = 0; i < entries_.size() && !is_first;) {
    size_t end = end_of_group(i);
    count(i, end, span, batch);
    i = end;
  }
  remember();
  return {};
}

void ScrapePage::remember() {
  if (last_.size() + entries_.size() > 2 * kMostSeries) last_.clear();
  for (const auto& entry : entries_) last_[entry.key] = entry.value;
}

void ScrapePage::count(size_t begin, size_t end, uint32_t span, MetricBatch& batch) const {
  std::vector<double> before(end - begin);
  bool began_anew = false;
  for (size_t i = begin; i < end; ++i) {
    auto known = last_.find(entries_[i].key);
    before[i - begin] = known == last_.end() ? 0 : known->second;
    // A histogram falls as a whole, though its other buckets may have caught up.
    if (entries_[i].value < before[i - begin]) began_anew = true;
  }
  std::vector<double> grown(end - begin);
  for (size_t i = begin; i < end; ++i)
    grown[i - begin] = entries_[i].value - (began_anew ? 0 : before[i - begin]);
  const Entry& first = entries_[begin];
  switch (first.kind) {
    case Kind::request:
      return batch.add_requests(span, grown[0], first.class_index);
    case Kind::error:
      return batch.add_errors(span, grown[0], first.class_index);
    case Kind::status:
      return batch.add_status(span, fmt::format("{:03}", first.detail), grown[0],
                              first.class_index);
    case Kind::business:
      return batch.add_business(span, first.detail, grown[0]);
    case Kind::bucket:
      return count_histogram(begin, end, grown, span, batch);
  }
}

void ScrapePage::count_histogram(size_t begin, size_t end, const std::vector<double>& grown,
                                 uint32_t span, MetricBatch& batch) const {
  double below = 0, last_edge = 0;
  for (size_t i = begin; i < end; ++i) {
    double within = grown[i - begin] - below;
    below = std::max(below, grown[i - begin]);
    double edge = entries_[i].edge;
    if (!std::isinf(edge)) last_edge = edge;
    if (within <= 0) continue;
    double seconds = edge;
    if (std::isinf(edge))
      seconds = ExpHistogram::upper_bound(ExpHistogram::index_of(last_edge)) * 1.01;
    if (last_edge > 0) batch.add_latency(span, seconds, within, entries_[begin].class_index);
  }
}

std::vector<double> ScrapePage::edges() const {
  std::vector<double> edges;
  for (const auto& entry : entries_)
    if (entry.kind == Kind::bucket && std::isfinite(entry.edge)) edges.push_back(entry.edge);
  std::ranges::sort(edges);
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

}  // namespace serin::agent
