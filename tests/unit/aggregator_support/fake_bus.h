#pragma once

#include <string>
#include <vector>

#include "aggregator/bus/bus.h"
#include "schema/wire.h"

namespace serin::aggregator {

/// A bus that writes down what it is given, and answers when and what the test says.
class FakeBus : public Bus {
 public:
  struct Sent {
    std::string what;  ///< "decision ID", "command ID rN", "control KIND", "attention SERVICE"
    Done done;
    SignedCommand command;
    Control control;
  };

  void read_input(uint64_t after) override { read_after_.push_back(after); }
  void publish(const Decision& decision, Done done) override {
    send({"decision " + decision.effect_id, std::move(done), {}, {}});
  }
  void publish(const Control& control, Done done) override {
    send({"control " + std::string(name(control.kind)), std::move(done), {}, control});
  }
  void publish(const std::string& host, const std::string& service, const std::string& command_id,
               uint32_t revision, const SignedCommand& command, Done done) override {
    send({"command " + command_id + " r" + std::to_string(revision) + " " + host + "/" + service,
          std::move(done),
          command,
          {}});
  }
  void publish(const core::AttentionOrder& attention, Done done) override {
    send({"attention " + attention.service + " " + std::to_string(attention.interval_ms),
          std::move(done),
          {},
          {}});
  }
  [[nodiscard]] bool connected() const override { return connected_; }
  void close(unsigned, std::function<void()> done) override {
    closed_ = true;
    done();
  }

  /// What was sent, as text, from the n-th on.
  [[nodiscard]] std::vector<std::string> log(size_t from = 0) const {
    std::vector<std::string> result;
    for (size_t i = from; i < sent_.size(); ++i) result.push_back(sent_[i].what);
    return result;
  }
  void answer(size_t i, Result<void> result = {}) {
    std::exchange(sent_.at(i).done, nullptr)(std::move(result));
  }

  std::vector<Sent> sent_;
  std::vector<uint64_t> read_after_;
  bool answers_at_once_ = false, connected_ = true, closed_ = false;
  Result<void> answer_;

 private:
  void send(Sent sent) {
    sent_.push_back(std::move(sent));
    if (answers_at_once_) answer(sent_.size() - 1, answer_);
  }
};

}  // namespace serin::aggregator
