#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "common/loop.h"

namespace serin::agent {

/// A datagram socket that programs of this host send to: a unix socket with mode 0666, or UDP. Read
/// as soon as something is there, in batches; what comes faster than it is read waits in the
/// kernel's buffer, and is dropped there and counted when that is full. On the loop's thread.
class DatagramSocket {
 public:
  static constexpr size_t kMostBytes = size_t{16} * 1024;  // twice what DogStatsD or HAProxy send
  static constexpr size_t kBatch = 16;
  static constexpr size_t kMostPerTurn = 2048;  // then the loop's other work has its turn
  static constexpr int kBufferBytes = 4 << 20;  // asked for; the kernel gives what rmem_max allows

  using OnDatagram = std::function<void(std::string_view)>;

  /// `listen`: the path of a socket, or ADDRESS:PORT. A socket that an earlier agent left behind is
  /// replaced; any other file there is an error.
  static Result<std::unique_ptr<DatagramSocket>> open(uv_loop_t* loop, const std::string& listen,
                                                      OnDatagram on_datagram);
  ~DatagramSocket();

  /// Reads what is there now.
  void drain();

  [[nodiscard]] uint64_t received() const { return received_; }
  /// Longer than kMostBytes; dropped.
  [[nodiscard]] uint64_t oversized() const { return oversized_; }
  /// Dropped by the kernel as the buffer was full. Always 0 for a unix socket: there the sender is
  /// told instead.
  [[nodiscard]] uint64_t kernel_drops() const;
  /// The UDP port in use; 0 for a unix socket.
  [[nodiscard]] uint16_t port() const;

 private:
  DatagramSocket(UniqueFd fd, std::string path, OnDatagram on_datagram)
      : fd_(std::move(fd)), path_(std::move(path)), on_datagram_(std::move(on_datagram)) {}
  size_t read_batch();

  UniqueFd fd_;
  std::string path_;  ///< of a unix socket
  OnDatagram on_datagram_;
  std::vector<UvPoll> poll_;  ///< one, once it listens
  std::vector<char> buffer_;
  uint64_t received_ = 0, oversized_ = 0;
};

/// The agent's sockets, one per address, shared by all services that name it. Must outlive what
/// subscribes.
class Datagrams {
 public:
  explicit Datagrams(uv_loop_t* loop) : loop_(loop) {}

  class Subscription {
   public:
    Subscription(Subscription&&) noexcept = default;
    Subscription& operator=(Subscription&&) = delete;
    ~Subscription();
    [[nodiscard]] DatagramSocket& socket() const;

   private:
    friend class Datagrams;
    struct Shared {
      std::unique_ptr<DatagramSocket> socket;
      std::list<DatagramSocket::OnDatagram> readers;
    };
    Subscription(std::shared_ptr<Shared> shared,
                 std::list<DatagramSocket::OnDatagram>::iterator reader)
        : shared_(std::move(shared)), reader_(reader) {}
    std::shared_ptr<Shared> shared_;
    std::list<DatagramSocket::OnDatagram>::iterator reader_;
  };

  /// Every datagram that comes to `listen` is handed to `reader` too.
  Result<Subscription> subscribe(const std::string& listen, DatagramSocket::OnDatagram reader);

 private:
  uv_loop_t* loop_;
  std::map<std::string, std::weak_ptr<Subscription::Shared>> sockets_;
};

}  // namespace serin::agent
