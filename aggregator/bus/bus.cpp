#include "aggregator/bus/bus.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "aggregator/bus/input.h"
#include "aggregator/bus/link.h"
#include "aggregator/bus/mail.h"
#include "aggregator/bus/reader.h"
#include "aggregator/bus/sender.h"
#include "common/bus/attention.h"
#include "common/bus/subjects.h"
#include "schema/wire.h"

namespace serin::aggregator {
namespace {

/// Read but not folded yet: two requests' worth and some; at about 5 kB each 10 MB.
constexpr size_t kMaxMail = 2000;
constexpr std::chrono::milliseconds kControlLimit{
    5000};  // below the duplicates window, so a repeat cannot count twice
constexpr std::chrono::milliseconds kClockLimit{2000};  // a later tick is another tick

class BusOnLoop final : public Bus {
 public:
  BusOnLoop(Options options, Handlers handlers)
      : options_(std::move(options)), handlers_(std::move(handlers)) {}

  Result<void> begin(uv_loop_t* loop) {
    auto made = MailQueue::create(loop, kMaxMail, [this](Mail mail) {
      std::visit([this](auto& one) { on(std::move(one)); }, mail);
    });
    if (!made) return std::unexpected(made.error());
    mail_ = std::move(*made);
    const auto audit_sequences = std::make_shared<LastSequences>();
    link_ = std::make_shared<Link>(
        bus::ConnectionOptions{
            .urls = options_.urls, .credentials = options_.credentials, .name = "serin-aggregator"},
        mail_);
    reader_ = std::make_shared<Reader>(options_.limits, link_, mail_, audit_sequences);
    sender_ = std::make_shared<Sender>(options_.limits, link_, mail_, audit_sequences);
    link_->on_change([sender = std::weak_ptr(sender_)] {
      if (const auto alive = sender.lock()) alive->wake();
    });
    mail_->on_room([link = link_] { link->wake(); });
    reader_thread_ = std::thread([reader = reader_] { reader->run(); });
    sender_thread_ = std::thread([sender = sender_] { sender->run(); });
    return {};
  }

  /// Without close(): waits for the threads, which may be in the middle of a request (2 s).
  ~BusOnLoop() override {
    if (reader_thread_.joinable()) {
      sender_->begin_close(Clock::now());
      join();
    }
    if (mail_) mail_->close();
  }

  void read_input(uint64_t after) override { reader_->read_input(after); }

  void publish(const Decision& decision, Done done) override {
    enter({.subject = bus::audit_subject(decision.service),
           .message_id = decision.effect_id,
           .payload = wire::encode(decision),
           .expect = Outgoing::Expect::audit,
           .done = std::move(done)},
          wire::kMaxMessageBytes);
  }

  void publish(const Control& control, Done done) override {
    const auto limit = control.kind == ControlKind::clock ? kClockLimit : kControlLimit;
    enter({.subject = subject_of(control),
           .message_id = control.id,
           .payload = wire::encode(control),
           .deadline = Clock::now() + limit,
           .done = std::move(done)},
          wire::kMaxMessageBytes);
  }

  void publish(const std::string& host, const std::string& service, const std::string& command_id,
               uint32_t revision, const SignedCommand& command, Done done) override {
    enter({.subject = bus::command_subject(host, service),
           .message_id = fmt::format("{}-{}", command_id, revision),
           .payload = wire::encode(command),
           .expect = Outgoing::Expect::command,
           .done = std::move(done)},
          wire::kMaxCommandBytes);
  }

  void publish(const core::AttentionOrder& order, Done done) override {
    const bus::Attention attention{
        .interval_ms = std::clamp(order.interval_ms, bus::kMinIntervalMs, bus::kMaxIntervalMs),
        .lasting_seconds = std::clamp(order.lasting_seconds, 1U, bus::kMaxLastingSeconds)};
    const std::string text = bus::encode_attention(attention);
    enter({.subject = bus::attention_subject(order.service),
           .payload = Bytes(text.begin(), text.end()),
           .done = std::move(done)},
          wire::kMaxMessageBytes);
  }

  [[nodiscard]] bool connected() const override { return connected_; }

  void close(unsigned milliseconds, std::function<void()> done) override {
    if (closing_) return;
    closing_ = true;
    closed_ = std::move(done);
    sender_->begin_close(Clock::now() + std::chrono::milliseconds(milliseconds));
  }

 private:
  void enter(Outgoing outgoing, size_t limit) {
    if (closing_) return;
    if (outgoing.payload.size() <= limit) return sender_->send(std::move(outgoing));
    mail_->push_always(
        PublishedMail{std::move(outgoing.done),
                      fail(fmt::format("{} bytes for {}, {} is the limit", outgoing.payload.size(),
                                       outgoing.subject, limit))});
  }

  template <typename Handler, typename... Args>
  void tell(const Handler& handler, Args&&... args) {
    if (handler && !closing_) handler(std::forward<Args>(args)...);
  }

  void on(const AuditMail& mail) { tell(handlers_.on_audit, mail.decision); }
  void on(AuditEndMail) { tell(handlers_.on_audit_end); }
  void on(core::Input input) { tell(handlers_.on_input, std::move(input)); }
  void on(const Unreadable& one) { tell(handlers_.on_unreadable, one); }
  void on(CaughtUpMail) { tell(handlers_.on_caught_up); }
  void on(const StoreLostMail& mail) { tell(handlers_.on_store_lost, mail.detail); }
  void on(const LinkMail& mail) {
    connected_ = mail.connected;
    tell(handlers_.on_connection, mail.connected, mail.detail);
  }
  void on(PublishedMail mail) {
    if (mail.done) mail.done(std::move(mail.result));  // also while closing: once, always
  }
  void on(EndedMail) {
    join();
    std::exchange(mail_, nullptr)->close(std::move(closed_));
  }

  void join() {
    reader_thread_.join();
    sender_thread_.join();
  }

  const Options options_;
  const Handlers handlers_;
  std::shared_ptr<MailQueue> mail_;
  std::shared_ptr<Link> link_;
  std::shared_ptr<Reader> reader_;
  std::shared_ptr<Sender> sender_;
  std::thread reader_thread_, sender_thread_;
  bool connected_ = false, closing_ = false;
  std::function<void()> closed_;
};

}  // namespace

Result<std::unique_ptr<Bus>> Bus::start(uv_loop_t* loop, Options options, Handlers handlers) {
  if (options.urls.empty())
    return fail("no NATS server is named: set [nats] url in aggregator.toml");
  auto made = std::make_unique<BusOnLoop>(std::move(options), std::move(handlers));
  if (auto begun = made->begin(loop); !begun) return std::unexpected(begun.error());
  return made;
}

}  // namespace serin::aggregator
