#pragma once

#include <memory>
#include <string>
#include <utility>

#include "agent/live/live_socket.h"
#include "agent/uplink/uplink.h"

namespace serin::agent {

/// An uplink that also tells the listeners of a LiveSocket what it sends. Without one, or while
/// nobody listens, it costs a comparison a message. The identity in the lines has no sequence
/// number, which only the uplink behind it gives.
class LiveUplink : public Uplink {
 public:
  LiveUplink(std::unique_ptr<Uplink> behind, std::string host)
      : behind_(std::move(behind)), host_(std::move(host)) {}

  void tell(LiveSocket* socket) { socket_ = socket; }  ///< null: nobody

  void send(Sample sample, uint64_t end_boot_us) override;
  void send(Event event, uint64_t at_boot_us) override;
  [[nodiscard]] Stats stats() const override { return behind_->stats(); }
  void close(unsigned milliseconds, std::function<void()> done) override {
    behind_->close(milliseconds, std::move(done));
  }

 private:
  template <typename Message>
  void tell_of(const Message& message);

  std::unique_ptr<Uplink> behind_;
  std::string host_;
  LiveSocket* socket_ = nullptr;
};

}  // namespace serin::agent
