#pragma once

#include <expected>
#include <string>
#include <utility>

namespace serin {

/// What went wrong, in one line that says what, where and what to do. Errors of the world (files,
/// network, input) are values; a broken invariant of our own ends the process (SERIN_VERIFY).
struct Error {
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

/// `return fail("…")` in a function that returns Result<T>.
[[nodiscard]] inline std::unexpected<Error> fail(std::string message) {
  return std::unexpected(Error{std::move(message)});
}

/// Ends the process with file, line and text. Never returns.
[[noreturn]] void verify_failed(const char* file, int line, const char* what);

}  // namespace serin

/// An invariant of our own code, checked in every build.
#define SERIN_VERIFY(condition) \
  ((condition) ? static_cast<void>(0) : ::serin::verify_failed(__FILE__, __LINE__, #condition))
