#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace serin::ctl {

/// An HTTP server that answers as told, on a free port of the loopback, one connection at a time.
class ApiStub {
 public:
  struct Reply {
    int status = 200;
    std::string body;
  };
  struct Asked {
    std::string method, target, head, body;
  };

  ApiStub();
  ~ApiStub();
  ApiStub(const ApiStub&) = delete;
  ApiStub& operator=(const ApiStub&) = delete;

  /// The answers to a target, in their order; the last one stays.
  void answer(const std::string& target, std::vector<Reply> replies);
  [[nodiscard]] std::vector<Asked> asked() const;
  [[nodiscard]] std::string url() const;

 private:
  void serve();
  void speak(int connection);
  Reply reply_to(const Asked& asked);

  int listener_ = -1;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Reply>> replies_;  // guarded
  std::vector<Asked> asked_;                           // guarded
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

/// A problem document of the aggregator.
ApiStub::Reply problem(int status, const std::string& code, const std::string& title,
                       const std::string& detail);

}  // namespace serin::ctl
