#pragma once

#include <fmt/core.h>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/ids.h"
#include "schema/limits.h"
#include "schema/text.h"

namespace serin {

enum class Need : uint8_t { optional, required };

/// Checks the fields of one message and keeps the first fault. Costs nothing but comparisons while
/// all is well.
class Fields {
 public:
  explicit Fields(std::string_view message) : message_(message) {}

  void fault(std::string_view field, std::string_view what) {
    if (!fault_) fault_ = Error{fmt::format("{}: {}: {}", message_, field, what)};
  }
  /// A fault that names message and field already.
  void fault(const Error& known) {
    if (!fault_) fault_ = known;
  }
  void expect(bool holds, std::string_view field, std::string_view what) {
    if (!holds) fault(field, what);
  }
  void text(std::string_view value, std::string_view field, size_t most,
            Need need = Need::optional) {
    if (value.empty()) return expect(need == Need::optional, field, "is missing");
    if (value.size() > most) return fault(field, fmt::format("is longer than {} bytes", most));
    expect(is_plain_text(value), field, "is not UTF-8 without control characters");
  }
  void host(std::string_view value, std::string_view field, Need need = Need::required) {
    if (value.empty()) return expect(need == Need::optional, field, "is missing");
    expect(is_host_id(value), field, "is not a host id (1-64 bytes without control characters)");
    expect(is_plain_text(value), field, "is not UTF-8 without control characters");
  }
  void service(std::string_view value, std::string_view field, Need need = Need::required) {
    if (value.empty()) return expect(need == Need::optional, field, "is missing");
    expect(is_service_name(value), field, "is not a service name (a-z, 0-9, _ and -, at most 63)");
  }
  void version(std::string_view value, std::string_view field, Need need = Need::optional) {
    if (value.empty()) return expect(need == Need::optional, field, "is missing");
    expect(is_version(value), field,
           "is not a version (1-128 bytes of UTF-8 without control characters)");
  }
  void hex(std::string_view value, std::string_view field, size_t digits,
           Need need = Need::required) {
    if (value.empty()) return expect(need == Need::optional, field, "is missing");
    expect(value.size() == digits &&
               value.find_first_not_of("0123456789abcdef") == std::string_view::npos,
           field, fmt::format("is not {} lower-case hex digits", digits));
  }
  void time(int64_t value, std::string_view field) {
    expect(value >= 0 && value <= limits::kTimeUs, field, "is not a time between 1970 and 2096");
  }
  void most(uint64_t value, std::string_view field, uint64_t limit) {
    if (value > limit) fault(field, fmt::format("is more than {}", limit));
  }
  void finite(std::optional<double> value, std::string_view field) {
    if (value) expect(std::isfinite(*value), field, "is not a finite number");
  }
  void amount(std::optional<double> value, std::string_view field) {
    if (value)
      expect(std::isfinite(*value) && *value >= 0, field, "is not a finite number from 0 on");
  }
  void amount(std::optional<uint64_t> value, std::string_view field) {
    if (value) most(*value, field, limits::kAmount);
  }

  [[nodiscard]] bool good() const { return !fault_; }
  [[nodiscard]] Result<void> outcome() const {
    if (fault_) return std::unexpected(*fault_);
    return {};
  }

 private:
  std::string_view message_;
  std::optional<Error> fault_;
};

}  // namespace serin
