#include "agent/service/bus_link.h"

#include <fmt/core.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "common/file.h"

namespace serin::agent {
namespace {

constexpr uint64_t kCallUs = 2'000'000;                     // systemd answers in milliseconds
constexpr uint64_t kFirstWaitMs = 100, kMostWaitMs = 2000;  // between attempts to connect
constexpr int kMostMessages = 256;  // in one turn: a flood must not hold the loop
constexpr const char* kSystemBus = "unix:path=/run/dbus/system_bus_socket";

uint64_t monotonic_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

std::string default_address() {
  const char* given = ::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  return given != nullptr && *given != '\0' ? given : kSystemBus;
}

}  // namespace

std::string bus_error_text(sd_bus_message* reply) {
  const sd_bus_error* error = sd_bus_message_get_error(reply);
  if (error == nullptr) return "no error";
  return fmt::format("{} ({})", error->message == nullptr ? "no text" : error->message,
                     error->name);
}

BusLink::BusLink(uv_loop_t* loop, std::string address, Handlers handlers)
    : loop_(loop),
      address_(address.empty() ? default_address() : std::move(address)),
      handlers_(std::move(handlers)),
      deadline_(loop, [this] { process(); }),
      again_(loop, [this] { connect(); }),
      wait_ms_(kFirstWaitMs) {}

BusLink::~BusLink() {
  poll_.reset();
}

void BusLink::connect() {
  auto connected = try_connect();
  if (!connected) return disconnect(connected.error().message);
  process();
}

Result<void> BusLink::try_connect() {
  auto failed = [this](int status) {
    return fail(
        fmt::format("{}: {}; units are seen through D-Bus: install and start dbus, or give "
                    "pid_file or exe instead of unit",
                    address_, errno_text(-status)));
  };
  sd_bus* bus = nullptr;
  if (int status = sd_bus_new(&bus); status < 0) return failed(status);
  bus_.reset(bus);
  announced_ = false;
  for (int status : {sd_bus_set_address(bus, address_.c_str()), sd_bus_set_bus_client(bus, 1),
                     sd_bus_set_method_call_timeout(bus, kCallUs), sd_bus_start(bus)})
    if (status < 0) return failed(status);
  int fd = sd_bus_get_fd(bus);
  if (fd < 0) return failed(fd);
  auto poll = UvPoll::make(loop_, fd, [this](int, int) { process(); });
  if (!poll) return std::unexpected(poll.error());
  poll_.emplace(std::move(*poll));
  return {};
}

void BusLink::process() {
  if (!bus_) return;
  for (int i = 0; i < kMostMessages; ++i) {
    int status = sd_bus_process(bus_.get(), nullptr);
    if (status < 0) return disconnect(fmt::format("{}: {}", address_, errno_text(-status)));
    if (!announced_ && sd_bus_is_ready(bus_.get()) > 0) {
      announced_ = true;
      wait_ms_ = kFirstWaitMs;
      problem_.clear();
      handlers_.connected(bus_.get());
    }
    if (status == 0) {
      handlers_.drained();
      break;
    }
  }
  rearm();
}

void BusLink::rearm() {
  if (!bus_ || !poll_) return;
  int events = sd_bus_get_events(bus_.get());
  if (events < 0) return;  // closing: the next processing says so
  poll_->start(((events & POLLIN) != 0 ? UV_READABLE : 0) |
               ((events & POLLOUT) != 0 ? UV_WRITABLE : 0) | UV_DISCONNECT);
  uint64_t until_us = UINT64_MAX;
  sd_bus_get_timeout(bus_.get(), &until_us);
  if (until_us == UINT64_MAX) return deadline_.stop();
  uint64_t now_us = monotonic_us();
  uv_update_time(loop_);
  deadline_.start(until_us <= now_us ? 0 : (until_us - now_us) / 1000 + 1);
}

void BusLink::disconnect(std::string why) {
  problem_ = std::move(why);
  bool had = std::exchange(announced_, false);
  poll_.reset();
  deadline_.stop();
  if (had) handlers_.lost();
  bus_.reset();
  again_.start(wait_ms_);
  wait_ms_ = std::min(wait_ms_ * 2, kMostWaitMs);
}

}  // namespace serin::agent
