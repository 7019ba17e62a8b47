#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/request/metric_batch.h"
#include "agent/request/prometheus_line.h"
#include "common/service_file.h"

namespace serin::agent {

/// Turns one scraped page after the other into what was counted between them. Only the series that
/// the service's file names are kept, at most kMostSeries, each as two numbers. A series that fell
/// began anew, one that was never there before began at 0 meanwhile, and one that was missing for a
/// while goes on where it was. In doubt too little is counted, never too much.
///
/// A classic histogram keeps its own edges: what lies between two of them is put where the upper
/// one lies, so that "slower than this edge" stays exact, and nothing finer is known. What lies
/// above the last edge is put right above it.
class ScrapePage {
 public:
  static constexpr size_t kMostSeries = 5'000;
  static constexpr uint64_t kMostLines = 50'000;  ///< a page of more costs more than it tells
  static constexpr size_t kMostLineBytes = size_t{16} * 1024;

  ScrapePage(const ServiceFile& service, size_t index);

  /// A page begins; what was read of one that did not end is forgotten.
  void begin();
  /// More of it, cut anywhere.
  void feed(std::string_view bytes);
  /// The page is whole: adds what happened since the one before. The first page only tells where
  /// counting begins. An error when it cannot have been whole, or there was too much of it; then it
  /// counts as not read. `must_have_end`: it is OpenMetrics.
  Result<void> finish(bool must_have_end, uint32_t span, MetricBatch& batch);

  /// Lines that were no samples, or too long; since the start.
  [[nodiscard]] uint64_t skipped() const { return skipped_; }
  [[nodiscard]] bool is_too_large() const { return lines_ > kMostLines || too_many_; }
  /// Of the last page.
  [[nodiscard]] uint64_t lines() const { return lines_; }
  [[nodiscard]] size_t series() const { return entries_.size(); }
  /// The finite edges of its histograms, ascending; empty without one.
  [[nodiscard]] std::vector<double> edges() const;

 private:
  enum class Kind : uint8_t { request, error, status, bucket, business };
  struct Entry {
    uint64_t key = 0;  ///< of the series, and of what it is taken for
    double value = 0;
    double edge = 0;      ///< bucket
    uint64_t group = 0;   ///< bucket: its histogram
    uint32_t detail = 0;  ///< status: the code; business: which
    Kind kind = Kind::request;
    uint8_t class_index = 0;  ///< of classes_
  };

  void read_line(std::string_view line);
  void read_sample(const PrometheusLine& line);
  void read_latency(const PrometheusLine& line);
  void note(const PrometheusLine& line, Kind kind, uint32_t detail, double edge = 0);
  void count(size_t begin, size_t end, uint32_t span, MetricBatch& batch) const;
  void remember();
  void count_histogram(size_t begin, size_t end, const std::vector<double>& grown, uint32_t span,
                       MetricBatch& batch) const;
  [[nodiscard]] size_t end_of_group(size_t begin) const;

  ServiceFile::Requests requests_;
  std::vector<ServiceFile::Business> business_;
  ClassRules classes_;
  std::string rest_;  ///< of a line that is not whole yet
  bool discarding_ = false;
  bool too_many_ = false, ended_ = false;
  uint64_t lines_ = 0, skipped_ = 0;
  std::vector<Entry> entries_;
  std::unordered_map<uint64_t, double> last_;
};

}  // namespace serin::agent
