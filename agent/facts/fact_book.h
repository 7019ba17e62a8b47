#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/service/moment.h"
#include "schema/messages.h"

namespace serin::agent {

/// What is known of one service, of its process and of the host around it, as facts
/// (schema/fact.h). Whoever knows something sets it; what changed goes out with the next turn(), in
/// few events. Bounded: fact::kMost facts, kMostTurns batches at once and then one per kTurnUs.
/// Loop's thread.
class FactBook {
 public:
  static constexpr uint64_t kTurnUs = 10'000'000;
  static constexpr unsigned kMostTurns = 6;
  /// The stream keeps 2 h: whoever reads all of it has to find every fact in there.
  static constexpr uint64_t kAgainUs = 3'000'000'000;
  /// An event stays well below a message's 64 KiB, and holds all facts of most services.
  static constexpr size_t kEventBytes = size_t{40} * 1024;

  using Send = std::function<void(Event, const Moment& now)>;
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  FactBook(std::string service, Send send);

  /// An empty value: the fact no longer holds. What a message could not carry is made plain and
  /// cut.
  void set(std::string_view name, std::string_view value);
  /// It should be there and cannot be read.
  void absent(std::string_view name, std::string_view reason);
  void remove(std::string_view name) { set(name, {}); }
  /// Sets these, all of whose names begin with `prefix`, and forgets every other that does.
  void replace(std::string_view prefix, const Pairs& facts);

  /// Everything goes out with the next turn, whether it changed or not.
  void tell_all() { all_due_ = true; }
  /// Sends what is due, if it may by now.
  void turn(const Moment& now);

  /// Empty when it is not known.
  [[nodiscard]] std::string_view find(std::string_view name) const;
  /// Names that found no room.
  [[nodiscard]] size_t left_out() const { return left_out_.size(); }

 private:
  [[nodiscard]] bool may_send(const Moment& now);
  void send(const Pairs& facts, bool all, const Moment& now);

  std::string service_;
  Send send_;
  std::map<std::string, std::string, std::less<>> facts_;
  std::set<std::string, std::less<>> changed_;   ///< since they were sent
  std::set<std::string, std::less<>> left_out_;  ///< bounded as well
  bool all_due_ = true;
  unsigned turns_ = kMostTurns;
  uint64_t refilled_us_ = 0, all_sent_us_ = 0;
};

/// The books of all services of this agent, and when everything is told again: after every
/// (re)connect.
class FactBooks {
 public:
  using Send = FactBook::Send;
  explicit FactBooks(Send send) : send_(std::move(send)) {}

  FactBook& of(const std::string& service);
  /// For what is the same for all services.
  void set_for_all(std::string_view name, std::string_view value);
  /// What the others should know of a service.
  void set_for_others(std::string_view service, std::string_view name, std::string_view value);
  /// Once a second. `connections` counts up whenever the bus is there again. Nothing is sent before
  /// it is there for the first time; in an outage facts keep their place among the samples.
  void turn(const Moment& now, bool connected, uint64_t connections);

 private:
  Send send_;
  std::map<std::string, std::unique_ptr<FactBook>, std::less<>> books_;
  bool connected_ = false, met_ = false;
  uint64_t connections_ = 0;
};

}  // namespace serin::agent
