#include "agent/uplink/preflight.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>

#include "agent/uplink/ack.h"
#include "common/bus/connection.h"
#include "common/bus/subjects.h"

namespace serin::agent {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kWithinMs = 1000;
constexpr size_t kMostServices = 64;  // what holds for these holds for the rest
constexpr const char* kNoStreamOfOurs = "SERIN_CHECK";
constexpr uint64_t kNotMatching = 10060;  // JetStream: expected stream does not match

/// Keeps what cnats' delivery thread brings.
class Listener : public bus::ConnectionListener {
 public:
  void link_connected() override {}
  void link_disconnected() override {}
  void link_closed() override {}
  void link_error(std::string) override {}  // only the last of several: see Permissions
  void keep(bus::MessagePtr message) {
    const std::lock_guard lock(mutex_);
    if (answers_.size() < kMostAnswers) answers_.push_back(std::move(message));
    changed_.notify_one();
  }
  /// The next answer; null: none has come by then.
  bus::MessagePtr next(Clock::time_point end) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, end, [this] { return !answers_.empty(); });
    if (answers_.empty()) return nullptr;
    bus::MessagePtr message = std::move(answers_.front());
    answers_.pop_front();
    return message;
  }

 private:
  static constexpr size_t kMostAnswers = 1024;  // four questions a service
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<bus::MessagePtr> answers_;
};

/// Which subjects the server forbids. It says so before it answers the next ping, and cnats keeps
/// its last words alone: so they are looked at after each thing that was tried.
class Permissions {
 public:
  explicit Permissions(const bus::Connection& connection) : connection_(connection) {}
  void tried(const std::string& subject) {
    natsConnection_FlushTimeout(connection_.get(), kWithinMs);
    const std::string words = connection_.last_error();
    if (words.find("ermissions") != std::string::npos &&
        words.find('"' + subject + '"') != std::string::npos)
      forbidden_.insert(subject);
  }
  [[nodiscard]] bool forbid(const std::string& subject) const {
    return forbidden_.contains(subject);
  }

 private:
  const bus::Connection& connection_;
  std::set<std::string> forbidden_;
};

struct Question {
  enum class Kind { publish, last_value } kind;
  std::string subject, what, stream;
  bool answered = false;
  std::string refusal;  ///< of JetStream
};

BusFinding forbidden(const std::string& what, const char* verb, const std::string& subject) {
  return {what, fmt::format("this user may not {} {}", verb, subject),
          fmt::format("add \"{}\" to the {} permissions of the agent's user in nats-server's "
                      "configuration",
                      subject, verb)};
}

BusFinding unreachable(const std::string& problem) {
  auto has = [&](std::string_view word) { return problem.find(word) != std::string::npos; };
  std::string fix = "is the address in [nats] url right, and does a firewall let it through?";
  if (has("refused") || has("No server available"))
    fix = "start it (systemctl start nats-server), or correct [nats] url";
  if (has("uthorization") || has("uthentication") || has("nkey") || has("JWT"))
    fix = "give [nats] credentials a .creds file, or the URL a user, that the server knows";
  if (has("redential") && (has("open") || has("read") || has("No such")))
    fix = "the file of [nats] credentials must be there and readable for the agent's user";
  return {"connection", problem + "; samples would be kept for a while and sent when it answers",
          fix};
}

/// What the server answered to one of our questions.
void take(natsMsg* message, std::vector<Question>& questions) {
  const std::string_view number = bus::last_token(natsMsg_GetSubject(message));
  size_t index = questions.size();
  std::from_chars(number.data(), number.data() + number.size(), index);
  if (index >= questions.size()) return;
  Question& question = questions[index];
  question.answered = true;
  const std::string status = bus::header(message, "Status");
  const auto bytes = bus::payload(message);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (status == "503") {
    question.refusal = fmt::format("there is no stream {}", question.stream);
  } else if (question.kind == Question::Kind::publish &&
             read_ack(status, bytes).code != kNotMatching) {
    question.refusal = fmt::format("JetStream: {}", text.substr(0, 200));
  }
}

BusFinding finding_of(const Question& question, const Permissions& permissions, bool may_hear) {
  if (permissions.forbid(question.subject))
    return forbidden(question.what, "publish", question.subject);
  const bool publish = question.kind == Question::Kind::publish;
  if (!question.answered) {
    // Nobody answers for a stream that is not there, either.
    std::string fix = publish ? "does JetStream run there (jetstream { … } in nats-server's "
                                "configuration)?"
                              : "start the aggregator, which makes the stream, and let this user "
                                "publish to that subject";
    if (!may_hear) fix = "first let this user subscribe to its inbox, where answers come";
    return {question.what, fmt::format("no answer to {} within {} ms", question.subject, kWithinMs),
            std::move(fix)};
  }
  if (question.refusal.empty()) return {question.what, {}, {}};
  return {question.what, question.refusal,
          "start the aggregator, which makes the streams, at this NATS server"};
}

/// One finding for each kind of thing: the first that is wrong, else that all is well.
void add(std::vector<BusFinding>& findings, BusFinding finding) {
  auto same = std::ranges::find(findings, finding.what, &BusFinding::what);
  if (same == findings.end()) {
    findings.push_back(std::move(finding));
  } else if (same->problem.empty()) {
    *same = std::move(finding);
  }
}

std::vector<Question> questions_for(const Uplink::Options& options) {
  using Kind = Question::Kind;
  std::vector<std::string> services = options.services;
  services.resize(std::min(services.size(), kMostServices));
  std::vector<Question> questions;
  auto ask = [&](Kind kind, std::string subject, const char* what, const char* stream) {
    questions.push_back({kind, std::move(subject), what, stream});
  };
  for (const auto& service : services) {
    ask(Kind::last_value,
        bus::direct_get_subject(bus::kCommandStream, bus::command_subject(options.host, service)),
        "last commands", bus::kCommandStream);
    ask(Kind::last_value,
        bus::direct_get_subject(bus::kAttentionStream, bus::attention_subject(service)),
        "last attention", bus::kAttentionStream);
  }
  services.emplace_back("_host");
  for (const auto& service : services) {
    ask(Kind::publish, bus::sample_subject(service, options.host), "samples", bus::kInputStream);
    ask(Kind::publish, bus::event_subject(service, options.host), "events", bus::kInputStream);
  }
  return questions;
}

void send(const bus::Connection& connection, const Question& question, const std::string& reply) {
  natsMsg* raw = nullptr;
  if (natsMsg_Create(&raw, question.subject.c_str(), reply.c_str(), nullptr, 0) != NATS_OK) return;
  const bus::MessagePtr message(raw);
  if (question.kind == Question::Kind::publish)
    natsMsgHeader_Set(raw, "Nats-Expected-Stream", kNoStreamOfOurs);
  natsConnection_PublishMsg(connection.get(), raw);
}

/// On cnats' delivery thread. A subscription that is read by NextMsg would swallow "503".
void on_answer(natsConnection*, natsSubscription*, natsMsg* raw, void* closure) {
  bus::MessagePtr message(raw);
  if (auto listener = bus::Closure::target<Listener>(closure)) listener->keep(std::move(message));
}

void listen(Listener& listener, std::vector<Question>& questions) {
  const auto end = Clock::now() + std::chrono::milliseconds(kWithinMs);
  while (!std::ranges::all_of(questions, &Question::answered)) {
    const bus::MessagePtr message = listener.next(end);
    if (!message) return;
    take(message.get(), questions);
  }
}

}  // namespace

std::vector<BusFinding> look_at_bus(const Uplink::Options& options) {
  auto listener = std::make_shared<Listener>();
  auto connection = bus::Connection::open({.urls = options.urls,
                                           .credentials = options.credentials,
                                           .name = "serin-agent check " + options.host,
                                           .inbox_prefix = bus::agent_inbox_prefix(options.host)},
                                          listener);
  if (!connection) return {unreachable(connection.error().message)};
  std::vector<BusFinding> findings{{"connection", {}, {}}};
  Permissions permissions(**connection);
  const std::string inbox = (*connection)->new_inbox();
  const std::string answers = inbox + ".*";
  const bus::Closure closure(listener);
  const auto hears = (*connection)->subscribe(answers, on_answer, closure);
  permissions.tried(answers);
  const bool may_hear = hears && !permissions.forbid(answers);
  if (!may_hear)
    add(findings, forbidden("answers", "subscribe", bus::agent_inbox_prefix(options.host) + ".>"));
  const std::vector<std::pair<const char*, std::string>> heard = {
      {"commands", bus::commands_of_host(options.host)}, {"attention", bus::kAttentionOfAll}};
  for (const auto& [what, subject] : heard) {
    const auto subscription = (*connection)->subscribe_sync(subject);
    permissions.tried(subject);
    add(findings, permissions.forbid(subject) ? forbidden(what, "subscribe", subject)
                                              : BusFinding{what, {}, {}});
  }
  auto questions = questions_for(options);
  for (size_t i = 0; i < questions.size(); ++i) {
    send(**connection, questions[i], fmt::format("{}.{}", inbox, i));
    permissions.tried(questions[i].subject);
    questions[i].answered = permissions.forbid(questions[i].subject);  // nothing more will come
  }
  if (may_hear) listen(*listener, questions);
  for (const auto& question : questions) add(findings, finding_of(question, permissions, may_hear));
  return findings;
}

}  // namespace serin::agent
