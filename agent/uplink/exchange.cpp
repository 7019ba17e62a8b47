#include "agent/uplink/exchange.h"

#include <utility>

namespace serin::agent {

void Exchange::wake() {
  woken_ = true;
  changed_.notify_one();
}

void Exchange::add_channel(std::string subject) {
  const std::lock_guard lock(mutex_);
  subjects_.push_back(std::move(subject));
}

void Exchange::push(size_t channel, uint64_t end_boot_us, Bytes payload) {
  const std::lock_guard lock(mutex_);
  ++stats_.sent;
  stats_.ring_dropped += ring_.push(channel, end_boot_us, std::move(payload));
  wake();
}

void Exchange::refuse(std::string why) {
  const std::lock_guard lock(mutex_);
  ++stats_.ring_dropped;
  stats_.last_error = std::move(why);
}

void Exchange::begin_close(Clock::time_point deadline) {
  const std::lock_guard lock(mutex_);
  closing_ = deadline;
  wake();
}

Uplink::Stats Exchange::stats() const {
  const std::lock_guard lock(mutex_);
  Uplink::Stats now = stats_;
  now.ring_messages = ring_.messages();
  now.ring_bytes = ring_.bytes();
  return now;
}

void Exchange::leave(Mail mail) {
  const std::lock_guard lock(mutex_);
  mail_.push_back(std::move(mail));
  wake();
}

bool Exchange::leave_incoming(IncomingMail mail) {
  const std::lock_guard lock(mutex_);
  if (incoming_ >= kMaxIncoming) {
    overrun_ = true;
    return false;
  }
  ++incoming_;
  mail_.push_back(std::move(mail));
  wake();
  return true;
}

std::deque<Mail> Exchange::wait(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return woken_; });
  woken_ = false;
  incoming_ = 0;
  return std::exchange(mail_, {});
}

std::optional<Exchange::Outgoing> Exchange::take(const std::function<bool(size_t)>& allowed) {
  const std::lock_guard lock(mutex_);
  const Ring::Message* message = ring_.take(allowed);
  if (message == nullptr) return std::nullopt;
  return Outgoing{message->id, message->channel, message->end_boot_us, message->payload,
                  subjects_[message->channel]};
}

void Exchange::acknowledged(uint64_t id) {
  const std::lock_guard lock(mutex_);
  if (ring_.remove(id)) ++stats_.acked;
}

void Exchange::release(uint64_t id) {
  const std::lock_guard lock(mutex_);
  ring_.release(id);
}

void Exchange::rewind() {
  const std::lock_guard lock(mutex_);
  ring_.rewind();
}

void Exchange::drop(uint64_t id, std::string why) {
  const std::lock_guard lock(mutex_);
  if (ring_.remove(id)) ++stats_.ring_dropped;
  stats_.last_error = std::move(why);
}

void Exchange::count_failure(std::string why) {
  const std::lock_guard lock(mutex_);
  ++stats_.publish_failures;
  if (!why.empty()) stats_.last_error = std::move(why);
}

void Exchange::note(std::string error) {
  const std::lock_guard lock(mutex_);
  stats_.last_error = std::move(error);
}

void Exchange::set_connected(bool connected, bool again) {
  const std::lock_guard lock(mutex_);
  stats_.connected = connected;
  if (again) ++stats_.reconnects;
}

bool Exchange::waiting() const {
  const std::lock_guard lock(mutex_);
  return ring_.waiting();
}

bool Exchange::empty() const {
  const std::lock_guard lock(mutex_);
  return ring_.messages() == 0;
}

std::optional<Clock::time_point> Exchange::closing() const {
  const std::lock_guard lock(mutex_);
  return closing_;
}

bool Exchange::take_overrun() {
  const std::lock_guard lock(mutex_);
  return std::exchange(overrun_, false);
}

std::optional<size_t> Exchange::channel_named_in(const std::string& error) const {
  const std::lock_guard lock(mutex_);
  for (size_t channel = 0; channel < subjects_.size(); ++channel) {
    if (error.find('"' + subjects_[channel] + '"') != std::string::npos) return channel;
  }
  return std::nullopt;
}

}  // namespace serin::agent
