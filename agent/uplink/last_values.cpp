#include "agent/uplink/last_values.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "common/bus/subjects.h"

namespace serin::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerLimit{1000};  // what one may not ask for is never answered
constexpr milliseconds kLongestPause{30'000};

}  // namespace

LastValues::LastValues(const std::string& host, const std::vector<std::string>& services) {
  for (const std::string& service : services) {
    const auto command = bus::command_subject(host, service);
    const auto attention = bus::attention_subject(service);
    questions_.push_back(
        {What::command, service, bus::direct_get_subject(bus::kCommandStream, command)});
    questions_.push_back(
        {What::attention, service, bus::direct_get_subject(bus::kAttentionStream, attention)});
  }
}

void LastValues::restart(std::string inbox, std::chrono::steady_clock::time_point now) {
  inbox_ = std::move(inbox);
  for (Question& question : questions_) {
    question.open = true;
    question.asked = false;
    question.due = now;
    question.patience = kAnswerLimit;
  }
}

std::optional<std::string> LastValues::ask(const bus::Connection& connection,
                                           std::chrono::steady_clock::time_point now) {
  std::optional<std::string> trouble;
  for (size_t i = 0; i < questions_.size(); ++i) {
    Question& question = questions_[i];
    if (!question.open || question.due > now) continue;
    if (question.asked) {
      trouble =
          fmt::format("no answer to {}: the stream is not there yet, or this host may not ask",
                      question.subject);
      question.patience = std::min(question.patience * 2, kLongestPause);
    }
    const std::string reply = fmt::format("{}.{}", inbox_, i);
    natsConnection_PublishRequest(connection.get(), question.subject.c_str(), reply.c_str(),
                                  nullptr, 0);
    question.asked = true;
    question.due = now + question.patience;
  }
  return trouble;
}

std::optional<std::chrono::steady_clock::time_point> LastValues::next() const {
  std::optional<std::chrono::steady_clock::time_point> first;
  for (const Question& question : questions_) {
    if (question.open && (!first || question.due < *first)) first = question.due;
  }
  return first;
}

std::optional<LastValues::Answer> LastValues::answered(natsMsg* message) {
  const std::string_view subject = natsMsg_GetSubject(message);
  if (!subject.starts_with(inbox_)) return std::nullopt;  // of a connection before this one
  const std::string_view number = bus::last_token(subject);
  size_t index = questions_.size();
  std::from_chars(number.data(), number.data() + number.size(), index);
  if (index >= questions_.size() || !questions_[index].open) return std::nullopt;
  Question& question = questions_[index];
  const std::string status = bus::header(message, "Status");
  const bool none = status == "404";
  if (status.empty() || none)
    question.open = false;  // anything else (503: no such stream) is asked again
  return Answer{question.what, question.service, status.empty()};
}

void LastValues::overtaken(What what, const std::string& service) {
  for (Question& question : questions_) {
    if (question.what == what && question.service == service) question.open = false;
  }
}

}  // namespace serin::agent
