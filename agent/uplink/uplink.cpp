#include "agent/uplink/uplink.h"

#include <fmt/core.h>

#include <map>
#include <thread>
#include <utility>

#include "agent/uplink/exchange.h"
#include "agent/uplink/publisher.h"
#include "common/bus/subjects.h"
#include "schema/wire.h"

namespace serin::agent {
namespace {

/// Commands and attention on their way to the loop: some per service; more means that the loop is
/// stuck.
constexpr size_t kMaxDeliveries = 256;

class UplinkOnLoop final : public Uplink {
 public:
  UplinkOnLoop(Options options, Handlers handlers)
      : options_(std::move(options)),
        handlers_(std::move(handlers)),
        exchange_(std::make_shared<Exchange>(options_.ring_bytes)) {}

  Result<void> begin(uv_loop_t* loop) {
    auto made = bus::LoopQueue<Delivery>::create(
        loop, kMaxDeliveries, [this](Delivery delivery) { on(std::move(delivery)); });
    if (!made) return std::unexpected(made.error());
    deliveries_ = std::move(*made);
    thread_ = std::thread([publisher = std::make_unique<Publisher>(
                               options_, exchange_, deliveries_)] { publisher->run(); });
    return {};
  }

  /// Without close(): waits for the uplink thread, which may be in the middle of a connect (2 s).
  ~UplinkOnLoop() override {
    if (thread_.joinable()) {
      exchange_->begin_close(Clock::now());
      thread_.join();
    }
    if (deliveries_) deliveries_->close();
  }

  void send(Sample sample, uint64_t end_boot_us) override {
    sample.from = identity(sample.service);
    const size_t channel = channel_of(bus::sample_subject(sample.service, options_.host));
    enter(channel, end_boot_us, sample.service, wire::encode(sample));
  }

  void send(Event event, uint64_t at_boot_us) override {
    event.from = identity(event.service);
    const size_t channel = channel_of(bus::event_subject(event.service, options_.host));
    enter(channel, at_boot_us, event.service, wire::encode(event));
  }

  [[nodiscard]] Stats stats() const override { return exchange_->stats(); }

  void close(unsigned milliseconds, std::function<void()> done) override {
    if (closing_) return;
    closing_ = true;
    done_ = std::move(done);
    exchange_->begin_close(Clock::now() + std::chrono::milliseconds(milliseconds));
  }

 private:
  Identity identity(const std::string& service) {
    return {options_.host, options_.boot_id, options_.agent_start_us, ++sequences_[service]};
  }

  size_t channel_of(const std::string& subject) {
    const auto [entry, added] = channels_.try_emplace(subject, channels_.size());
    if (added) exchange_->add_channel(subject);
    return entry->second;
  }

  void enter(size_t channel, uint64_t end_boot_us, const std::string& service, Bytes bytes) {
    if (bytes.size() > wire::kMaxMessageBytes) {
      return exchange_->refuse(fmt::format("a message of {} has {} bytes, {} is the limit: dropped",
                                           service, bytes.size(), wire::kMaxMessageBytes));
    }
    exchange_->push(channel, end_boot_us, std::move(bytes));
  }

  void on(Delivery delivery) {
    if (delivery.kind == Delivery::Kind::ended) return ended();
    if (closing_) return;
    if (delivery.kind == Delivery::Kind::command) {
      if (handlers_.on_command) handlers_.on_command(delivery.service, std::move(delivery.command));
    } else if (handlers_.on_attention) {
      handlers_.on_attention(delivery.service, delivery.interval_ms, delivery.lasting_seconds);
    }
  }

  void ended() {
    thread_.join();
    std::exchange(deliveries_, nullptr)->close(std::move(done_));
  }

  const Options options_;
  const Handlers handlers_;
  const std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<bus::LoopQueue<Delivery>> deliveries_;
  std::thread thread_;
  std::map<std::string, uint64_t> sequences_;
  std::map<std::string, size_t> channels_;
  bool closing_ = false;
  std::function<void()> done_;
};

}  // namespace

Result<std::unique_ptr<Uplink>> Uplink::start(uv_loop_t* loop, Options options, Handlers handlers) {
  if (options.urls.empty()) return fail("no NATS server is named: set [nats] url in agent.toml");
  if (!is_host_id(options.host))
    return fail("the host id is not usable: set [host] id in agent.toml");
  if (options.boot_id.empty())
    return fail("the boot id is not known: is /proc/sys/kernel/random/boot_id readable?");
  auto made = std::make_unique<UplinkOnLoop>(std::move(options), std::move(handlers));
  if (auto begun = made->begin(loop); !begun) return std::unexpected(begun.error());
  return made;
}

}  // namespace serin::agent
