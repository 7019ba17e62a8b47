#include "aggregator/bus/link.h"

#include <fmt/core.h>

#include <utility>

namespace serin::aggregator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstReopenPause{500}, kLongestReopenPause{5000};
constexpr int64_t kRequestWaitMs = 2000;
constexpr size_t kMaxErrorBytes = 8192;  // of permission errors kept for one attempt to publish

bus::JetStreamPtr make_jet_stream(const bus::Connection& connection) {
  jsOptions options;
  jsOptions_Init(&options);
  options.Wait = kRequestWaitMs;
  jsCtx* raw = nullptr;
  natsConnection_JetStream(&raw, connection.get(), &options);
  return bus::JetStreamPtr(raw);
}

}  // namespace

Link::Link(bus::ConnectionOptions options, std::shared_ptr<MailQueue> mail)
    : options_(std::move(options)),
      mail_(std::move(mail)),
      reopen_pause_(kFirstReopenPause, kLongestReopenPause,
                    static_cast<uint64_t>(Clock::now().time_since_epoch().count())) {}

void Link::maintain(const std::shared_ptr<Link>& self) {
  std::shared_ptr<Session> given_up;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, false)) given_up = std::move(session_);
  }
  if (given_up) report("NATS closed the connection: " + given_up->connection->last_error());
  given_up.reset();  // outside the lock: it waits for cnats' threads, which may want it
  const Clock::time_point now = Clock::now();
  bool have = false;
  {
    const std::lock_guard lock(mutex_);
    have = session_ != nullptr;
  }
  if (!have && now >= reopen_at_) open(self);
}

void Link::open(const std::shared_ptr<Link>& self) {
  auto connection = bus::Connection::open(options_, self);
  reopen_at_ = Clock::now() + reopen_pause_.next();
  if (!connection) return report(connection.error().message);
  auto made = std::make_shared<Session>();
  made->connection = std::move(*connection);
  made->jet_stream = make_jet_stream(*made->connection);
  if (!made->jet_stream) return report("cannot make a JetStream context");
  reopen_pause_.reset();
  {
    const std::lock_guard lock(mutex_);
    session_ = std::move(made);
  }
  if (hook_) hook_();  // link_connected() came before there was a session
}

void Link::shut() {
  std::shared_ptr<Session> last;
  const std::lock_guard lock(mutex_);
  last = std::move(session_);
  connected_ = false;
}

void Link::wait(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return woken_ || stopped_; });
  woken_ = false;
}

Link::State Link::state() const {
  const std::lock_guard lock(mutex_);
  return {connected_ ? session_ : nullptr, epoch_};
}

bool Link::same(uint64_t epoch) const {
  const std::lock_guard lock(mutex_);
  return connected_ && epoch_ == epoch && !stopped_;
}

void Link::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void Link::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

bool Link::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void Link::report(const std::string& detail) {
  const std::lock_guard lock(mutex_);
  if (detail == reported_) return;
  reported_ = detail;
  mail_->push_always(LinkMail{connected_, detail});
}

std::string Link::forbidden(const std::string& subject) const {
  const std::lock_guard lock(mutex_);
  return permissions_.contains('"' + subject + '"') ? permissions_ : std::string();
}

void Link::forget_errors() {
  const std::lock_guard lock(mutex_);
  permissions_.clear();
}

void Link::changed(bool connected, std::string detail) {
  {
    const std::lock_guard lock(mutex_);
    if (connected) ++epoch_;
    if (connected || connected_) mail_->push_always(LinkMail{connected, std::move(detail)});
    connected_ = connected;
    reported_.clear();
    woken_ = true;
    changed_.notify_all();
  }
  if (hook_) hook_();
}

void Link::link_connected() {
  changed(true, "connected");
}
void Link::link_disconnected() {
  changed(false, "disconnected from NATS");
}

void Link::link_closed() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed(false, "NATS closed the connection");
}

void Link::link_error(std::string text) {
  {
    const std::lock_guard lock(mutex_);
    if (text.contains("ermissions") && permissions_.size() < kMaxErrorBytes)
      permissions_ += text + "\n";
  }
  report(text);
}

}  // namespace serin::aggregator
