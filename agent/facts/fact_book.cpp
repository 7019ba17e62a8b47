#include "agent/facts/fact_book.h"

#include <algorithm>

#include "schema/fact.h"
#include "schema/limits.h"

namespace serin::agent {
namespace {

constexpr size_t kPairBytes = 48;  // what a table with two strings costs beside them

}  // namespace

FactBook::FactBook(std::string service, Send send)
    : service_(std::move(service)), send_(std::move(send)) {}

void FactBook::set(std::string_view name, std::string_view value) {
  const std::string key = plain_text(name, limits::kNameBytes);
  const std::string text = plain_text(value, fact::kValueBytes);
  if (key.empty()) return;
  auto known = facts_.find(key);
  if (text.empty()) {
    left_out_.erase(key);
    if (known == facts_.end()) return;
    facts_.erase(known);
    changed_.insert(key);
    return;
  }
  if (known == facts_.end()) {
    if (facts_.size() >= fact::kMost) {
      if (left_out_.size() < fact::kMost) left_out_.insert(key);
      return;
    }
    known = facts_.emplace(key, std::string{}).first;
  }
  if (known->second == text) return;
  known->second = text;
  changed_.insert(key);
}

void FactBook::absent(std::string_view name, std::string_view reason) {
  set(name, fact::absent(reason));
}

void FactBook::replace(std::string_view prefix, const Pairs& facts) {
  std::vector<std::string> gone;
  for (auto it = facts_.lower_bound(prefix); it != facts_.end() && it->first.starts_with(prefix);
       ++it) {
    const bool stays = std::ranges::any_of(facts, [&](const auto& pair) {
      return plain_text(pair.first, limits::kNameBytes) == it->first;
    });
    if (!stays) gone.push_back(it->first);
  }
  for (const auto& name : gone) remove(name);
  for (const auto& [name, value] : facts) set(name, value);
}

std::string_view FactBook::find(std::string_view name) const {
  const auto known = facts_.find(name);
  return known == facts_.end() ? std::string_view{} : known->second;
}

bool FactBook::may_send(const Moment& now) {
  const uint64_t refills = (now.boot_us - refilled_us_) / kTurnUs;
  turns_ = static_cast<unsigned>(std::min<uint64_t>(kMostTurns, turns_ + refills));
  refilled_us_ += refills * kTurnUs;
  if (turns_ == 0) return false;
  --turns_;
  return true;
}

void FactBook::turn(const Moment& now) {
  if (now.boot_us - all_sent_us_ >= kAgainUs) all_due_ = true;
  if ((!all_due_ && changed_.empty()) || !may_send(now)) return;
  Pairs facts;
  if (all_due_) {
    facts.assign(facts_.begin(), facts_.end());
    all_sent_us_ = now.boot_us;
  } else {
    for (const auto& name : changed_) facts.emplace_back(name, find(name));
  }
  send(facts, all_due_, now);
  changed_.clear();
  all_due_ = false;
}

void FactBook::send(const Pairs& facts, bool all, const Moment& now) {
  for (size_t next = 0, part = 0; next < facts.size() || (all && part == 0); ++part) {
    Event event;
    event.service = service_;
    event.kind = EventKind::facts;
    event.wall_us = now.wall_us;
    if (all && part == 0) event.step = fact::kAll;
    for (size_t bytes = 0;
         next < facts.size() && bytes < kEventBytes && event.facts.size() < limits::kFacts;
         ++next) {
      bytes += facts[next].first.size() + facts[next].second.size() + kPairBytes;
      event.facts.push_back(facts[next]);
    }
    send_(std::move(event), now);
  }
}

FactBook& FactBooks::of(const std::string& service) {
  auto& book = books_[service];
  if (!book) book = std::make_unique<FactBook>(service, send_);
  return *book;
}

void FactBooks::set_for_all(std::string_view name, std::string_view value) {
  for (auto& [service, book] : books_) book->set(name, value);
}

void FactBooks::set_for_others(std::string_view service, std::string_view name,
                               std::string_view value) {
  for (auto& [other, book] : books_)
    if (other != service) book->set(name, value);
}

void FactBooks::turn(const Moment& now, bool connected, uint64_t connections) {
  const bool anew = (connected && !connected_) || connections != connections_;
  connected_ = connected;
  connections_ = connections;
  met_ = met_ || connected;
  if (!met_) return;
  for (auto& [service, book] : books_) {
    if (anew) book->tell_all();
    book->turn(now);
  }
}

}  // namespace serin::agent
