#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace serin::agent {

/// What of an answer is looked at beside its body.
struct AnswerWanted {
  enum class Status : uint8_t { ok, any } status = Status::ok;
  std::string header{};  ///< in lower case; its value is kept
};

/// Reads an HTTP/1.x answer as it comes in, and hands its body on piece by piece: with a length, in
/// chunks, or up to the connection's end. Keeps the head alone, at most 16 KiB.
class HttpResponse {
 public:
  static constexpr size_t kMostHeadBytes = size_t{16} * 1024;
  static constexpr uint64_t kMostBodyBytes = uint64_t{16} << 20;

  using OnBody = std::function<void(std::string_view)>;
  explicit HttpResponse(OnBody on_body, AnswerWanted wanted = {})
      : on_body_(std::move(on_body)), wanted_(std::move(wanted)) {}

  /// More of the answer. An error ends it: no HTTP, another status than 200 where that is wanted,
  /// too long.
  Result<void> feed(std::string_view bytes);
  /// True once the body is whole by its own account; what follows it is ignored.
  [[nodiscard]] bool is_done() const { return state_ == State::done; }
  /// The connection has ended: an error unless the body is whole.
  Result<void> finish();
  /// In lower case; known once the body begins.
  [[nodiscard]] const std::string& content_type() const { return content_type_; }
  /// 0 until the head is whole.
  [[nodiscard]] uint16_t status() const { return status_; }
  /// The value of the wanted header; empty where there is none.
  [[nodiscard]] const std::string& header() const { return header_; }

 private:
  enum class State : uint8_t {
    head,
    sized,
    to_the_end,
    chunk_size,
    chunk,
    chunk_end,
    trailer,
    done
  };
  Result<void> feed_head(std::string_view& bytes);
  Result<void> read_head();
  Result<void> read_status(std::string_view line);
  Result<void> read_field(std::string_view line);
  Result<void> feed_body(std::string_view& bytes);
  Result<void> read_chunk_line(std::string_view& bytes);
  Result<void> pass_on(std::string_view& bytes, uint64_t most);

  OnBody on_body_;
  AnswerWanted wanted_;
  State state_ = State::head;
  uint16_t status_ = 0;
  std::string header_;
  std::string line_;  ///< the head, or the line between two chunks
  std::string content_type_;
  bool chunked_ = false, sized_ = false;
  uint64_t left_ = 0;  ///< of the body or chunk
  uint64_t body_bytes_ = 0;
};

}  // namespace serin::agent
