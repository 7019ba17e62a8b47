#include "agent/request/http_response.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace serin::agent {
namespace {

constexpr size_t kMostChunkLineBytes = 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::string_view trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

bool read_number(std::string_view text, int base, uint64_t& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

Result<void> HttpResponse::feed(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::done) {
    auto good = state_ == State::head ? feed_head(bytes) : feed_body(bytes);
    if (!good) return good;
  }
  return {};
}

Result<void> HttpResponse::feed_head(std::string_view& bytes) {
  size_t before = line_.size();
  line_.append(bytes.substr(0, std::min(bytes.size(), kMostHeadBytes + 1 - before)));
  size_t from = before < 3 ? 0 : before - 3;
  size_t end = std::min(line_.find("\r\n\r\n", from), line_.find("\n\n", from));
  if (end == std::string::npos) {
    if (line_.size() > kMostHeadBytes) return fail("its head is longer than 16 KiB");
    bytes = {};
    return {};
  }
  end += line_[end] == '\r' ? 4 : 2;
  bytes.remove_prefix(end - before);
  line_.resize(end);
  return read_head();
}

Result<void> HttpResponse::read_status(std::string_view line) {
  uint64_t status = 0;
  if (!line.starts_with("HTTP/1.") || line.size() < 12) return fail("it does not speak HTTP/1");
  const bool number = read_number(line.substr(9, 3), 10, status) && status >= 100;
  if (wanted_.status == AnswerWanted::Status::ok && line.substr(9, 3) != "200" && !(number && status < 200))
    return fail(fmt::format("it answered {:.40}", line.substr(9)));
  if (!number) return fail("it does not speak HTTP/1");
  status_ = static_cast<uint16_t>(status);
  return {};
}

Result<void> HttpResponse::read_head() {
  constexpr uint16_t kSwitches = 101;
  std::string_view rest = line_;
  if (auto good = read_status(trimmed(rest.substr(0, rest.find('\n')))); !good) return good;
  // The answer itself is still to come.
  if (status_ < 200 && status_ != kSwitches) {
    line_.clear();
    status_ = 0;
    return {};
  }
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    if (auto good = read_field(rest.substr(0, end)); !good) return good;
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  line_.clear();
  if (status_ == 204 || status_ == 304 || status_ == kSwitches) {
    state_ = State::done;  // these never hold anything
  } else if (chunked_) {
    state_ = State::chunk_size;
  } else if (sized_) {
    state_ = left_ == 0 ? State::done : State::sized;
  } else {
    state_ = State::to_the_end;
  }
  return {};
}

Result<void> HttpResponse::read_field(std::string_view line) {
  size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  std::string name = lower(line.substr(0, colon));
  std::string_view value = trimmed(line.substr(colon + 1));
  if (name == wanted_.header && header_.empty()) header_ = value;
  if (name == "content-type") content_type_ = lower(value);
  if (name == "transfer-encoding") {
    if (lower(value) != "chunked") return fail(fmt::format("it answers in {:.40}", value));
    chunked_ = true;
  }
  if (name == "content-encoding" && lower(value) != "identity")
    return fail(fmt::format("it answers in {:.40}", value));
  if (name == "content-length") {
    uint64_t length = 0;
    if (!read_number(value, 10, length) || (sized_ && length != left_))
      return fail("its content-length makes no sense");
    if (length > kMostBodyBytes) return fail("its page is larger than 16 MiB");
    sized_ = true;
    left_ = length;
  }
  return {};
}

Result<void> HttpResponse::feed_body(std::string_view& bytes) {
  switch (state_) {
    case State::sized:
    case State::chunk:
      if (auto good = pass_on(bytes, left_); !good) return good;
      if (left_ == 0) state_ = state_ == State::sized ? State::done : State::chunk_end;
      return {};
    case State::to_the_end:
      return pass_on(bytes, bytes.size());
    case State::chunk_size:
    case State::chunk_end:
    case State::trailer:
      return read_chunk_line(bytes);
    case State::head:
    case State::done:
      break;
  }
  return {};
}

Result<void> HttpResponse::pass_on(std::string_view& bytes, uint64_t most) {
  std::string_view part = bytes.substr(0, std::min<uint64_t>(most, bytes.size()));
  bytes.remove_prefix(part.size());
  body_bytes_ += part.size();
  left_ -= std::min<uint64_t>(left_, part.size());
  if (body_bytes_ > kMostBodyBytes) return fail("its page is larger than 16 MiB");
  on_body_(part);
  return {};
}

Result<void> HttpResponse::read_chunk_line(std::string_view& bytes) {
  size_t end = bytes.find('\n');
  line_.append(bytes.substr(0, std::min(end, kMostChunkLineBytes)));
  if (line_.size() > kMostChunkLineBytes) return fail("its chunks make no sense");
  bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  if (end == std::string_view::npos) return {};
  std::string line = std::exchange(line_, {});
  std::string_view text = trimmed(line);
  if (state_ == State::chunk_size) {
    if (!read_number(trimmed(text.substr(0, text.find(';'))), 16, left_))
      return fail("its chunks make no sense");
    state_ = left_ == 0 ? State::trailer : State::chunk;
  } else if (state_ == State::chunk_end) {
    if (!text.empty()) return fail("its chunks make no sense");
    state_ = State::chunk_size;
  } else if (text.empty()) {
    state_ = State::done;
  }
  return {};
}

Result<void> HttpResponse::finish() {
  if (state_ == State::to_the_end) state_ = State::done;
  if (state_ == State::done) return {};
  if (state_ == State::head) return fail("it closed the connection without an answer");
  return fail(fmt::format("its page ended after {} bytes, before its end", body_bytes_));
}

}  // namespace serin::agent
