#include <sys/resource.h>

#include "tests/unit/api/fixture.h"

namespace serin::aggregator {
namespace {

constexpr const char* kAuth = "Authorization: Bearer secret-anna\r\n";

class HostileTest : public ApiTest {
 protected:
  std::string raw(const std::string& bytes) { return exchange(loop_, server_->port(), bytes); }
  static std::string post(const std::string& headers, const std::string& body) {
    return std::string(
               "POST /api/v1/deploys/api-1/rollback HTTP/1.1\r\nHost: localhost\r\nConnection: "
               "close\r\n") +
           kAuth + "Idempotency-Key: k\r\n" + headers + "\r\n" + body;
  }
  static std::string status_of(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") ? answer.substr(9, 3)
                                           : "no answer: " + answer.substr(0, 40);
  }
  void expect_alive() {
    EXPECT_EQ(call("GET", "/healthz").status, 200);
    EXPECT_TRUE(published_.empty());
  }
};

TEST_F(HostileTest, AHeaderOfAMegabyteIsRefused) {
  const std::string answer = raw(
      "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(1'000'000, 'a') + "\r\n\r\n");
  EXPECT_FALSE(answer.starts_with("HTTP/1.1 200")) << answer.substr(0, 100);
  expect_alive();
}

TEST_F(HostileTest, AnAddressOfAMegabyteIsRefused) {
  const std::string answer =
      raw("GET /" + std::string(1'000'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_FALSE(answer.starts_with("HTTP/1.1 200")) << answer.substr(0, 100);
  expect_alive();
}

TEST_F(HostileTest, ABodyOfAMegabyteIsTooLarge) {
  const std::string body(1'000'000, 'x');
  const std::string answer =
      raw(post("Content-Length: " + std::to_string(body.size()) + "\r\n", body));
  EXPECT_EQ(status_of(answer), "413");
  EXPECT_NE(answer.find("too_large"), std::string::npos);
  expect_alive();
}

TEST_F(HostileTest, ABodyInPiecesIsMeasuredToo) {
  std::string body;
  for (int i = 0; i < 100; ++i) body += "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
  EXPECT_EQ(status_of(raw(post("Transfer-Encoding: chunked\r\n", body + "0\r\n\r\n"))), "413");
  expect_alive();
}

TEST_F(HostileTest, ABodyWithoutEndIsCutOff) {
  std::string body;
  for (int i = 0; i < 600; ++i) body += "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
  const std::string answer = raw(post("Transfer-Encoding: chunked\r\n", body));
  EXPECT_FALSE(answer.starts_with("HTTP/1.1 2")) << answer.substr(0, 100);
  expect_alive();
}

TEST_F(HostileTest, AnAnnouncedFloodIsRefusedBeforeItComes) {
  EXPECT_EQ(status_of(raw(post("Content-Length: 999999999999\r\n", ""))), "413");
  EXPECT_EQ(status_of(raw(post("Content-Length: 20000\r\nExpect: 100-continue\r\n", ""))), "413");
  expect_alive();
}

TEST_F(HostileTest, LengthsThatAreNoneAreRefused) {
  for (const char* length : {"-1", "x", "99999999999999999999999999"}) {
    const std::string answer = raw(post(std::string("Content-Length: ") + length + "\r\n", "{}"));
    EXPECT_FALSE(answer.starts_with("HTTP/1.1 2")) << length << answer.substr(0, 100);
  }
  EXPECT_EQ(code(act("/api/v1/deploys/none/rollback", "fresh")), "not_found");
  expect_alive();
}

TEST_F(HostileTest, NulBytesOpenNothing) {
  EXPECT_EQ(code(get("/api/v1/deploys/api-1%00.json")), "bad_request");
  EXPECT_EQ(code(get("/api/v1/deploys%00/../status")), "bad_request");
  EXPECT_EQ(code(get("/api/v1/deploys?service=api%00")), "bad_request");
  const std::string bare = "GET /metrics" + std::string("\0/x", 3) +
                           " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_FALSE(raw(bare).starts_with("HTTP/1.1 200")) << "no token, no metrics";
  std::string in_header =
      std::string("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n") +
      "Authorization: Bearer secret-" + std::string("\0view", 5) + "\r\n\r\n";
  EXPECT_FALSE(raw(in_header).starts_with("HTTP/1.1 200"));
  expect_alive();
}

TEST_F(HostileTest, NoiseIsNoRequest) {
  for (const std::string& noise :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01", 8) + "\r\n\r\n",
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string(64, '\xff') + "\r\n\r\n",
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        std::string("GET  HTTP/1.1\r\nHost: x\r\n\r\n")}) {
    auto answer = std::async(std::launch::async, [&, port = server_->port()] {
      RawConnection connection(port);
      connection.send(noise);
      return connection.read("\r\n\r\n").substr(0, 12);
    });
    // Some noise reads like the beginning of a request, which then never comes: the line is left to
    // its time-out.
    run_until(loop_, [&, turns = 0]() mutable {
      return ++turns > 30 || answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
    EXPECT_EQ(call("GET", "/healthz").status, 200);
    stop();
    EXPECT_FALSE(wait_for(loop_, std::move(answer)).starts_with("HTTP/1.1 2"));
    serve();
  }
}

TEST_F(HostileTest, ManyRequestsOnOneLine) {
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  requests += "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const std::string answer = raw(requests);
  size_t count = 0;
  for (size_t at = answer.find("HTTP/1.1 200"); at != std::string::npos;
       at = answer.find("HTTP/1.1 200", at + 1))
    ++count;
  EXPECT_EQ(count, 51u);
}

TEST_F(HostileTest, ManyLinesAtOnceAreServedAndThoseBeyondTheLimitWait) {
  constexpr size_t kLines = HttpServer::kMostConnections + 40;
  auto lines = std::async(std::launch::async, [port = server_->port()] {
    std::vector<std::unique_ptr<RawConnection>> open;
    size_t answered = 0;
    for (size_t i = 0; i < kLines; ++i) open.push_back(std::make_unique<RawConnection>(port));
    for (size_t i = 0; i < HttpServer::kMostConnections; ++i) {
      open[i]->send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      if (open[i]->read("\"ok\"}").find("200 OK") != std::string::npos) ++answered;
    }
    return answered;
  });
  EXPECT_EQ(wait_for(loop_, std::move(lines)), size_t{HttpServer::kMostConnections});
  EXPECT_LE(server_->connections(), HttpServer::kMostConnections);
  ASSERT_TRUE(run_until(loop_, [&] { return server_->connections() == 0; }))
      << "all are given back";
  expect_alive();
}

}  // namespace
}  // namespace serin::aggregator
