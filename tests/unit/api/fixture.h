#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "aggregator/api/api.h"
#include "aggregator/api/http_server.h"
#include "common/ids.h"
#include "tests/unit/aggregator_support/fake_view.h"
#include "tests/unit/aggregator_support/http_call.h"
#include "tests/unit/common/temporary_folder.h"

namespace serin::aggregator {

using Json = nlohmann::json;

/// The whole API over real HTTP on loopback, in front of a fold and a bus that the test sets.
class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    folder_.write("tokens.toml",
                  "[[token]]\nname = \"anna\"\nrole = \"operator\"\nsha256 = \"" +
                      digest("secret-anna") +
                      "\"\n[[token]]\nname = \"view\"\nrole = \"viewer\"\nsha256 = \"" +
                      digest("secret-view") + "\"\n");
    view_.add_deploy("api-1");
    serve();
  }

  static std::string digest(const std::string& token) { return hex(sha256(as_bytes(token))); }

  void serve(bool with_tokens = true) {
    stop();
    auto opened = Store::open(folder_.path() / "serin.db");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    ActDesk::Options options;
    options.wall_us = [this] { return wall_us_; };
    options.patience_ms = patience_ms_;
    options.retry_ms = 10;
    desk_ = std::make_unique<ActDesk>(
        loop_.get(), view_, *store_,
        [this](const Control& control, std::function<void(Result<void>)> done) {
          published_.push_back(control);
          if (hold_publishes_)
            held_.push_back(std::move(done));
          else
            done(bus_answer_);
        },
        options);
    auto auth = with_tokens ? Auth::load(folder_.path() / "tokens.toml")
                            : Result<Auth>(Auth::without_tokens());
    ASSERT_TRUE(auth) << auth.error().message;
    api_ = std::make_unique<Api>(view_, *desk_, *auth);
    auto listener = listen_on({.host = "127.0.0.1", .port = 0});
    ASSERT_TRUE(listener) << listener.error().message;
    auto server = HttpServer::start(loop_.get(), std::move(*listener),
                                    [this](const HttpRequest& request, Reply reply) {
                                      api_->handle(request, std::move(reply));
                                    });
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    api_->count_answers_by([this] { return server_->answers(); });
  }
  void stop() {
    server_.reset();
    api_.reset();
    desk_.reset();
    store_.reset();
  }
  ~ApiTest() override { stop(); }

  Answer get(const std::string& target, const std::string& token = "secret-view") {
    return call("GET", target, {"Authorization: Bearer " + token});
  }
  Answer call(const std::string& method, const std::string& target,
              std::vector<std::string> headers = {}, const std::string& body = "") {
    return wait_for(loop_, call_async(server_->port(), method, target, std::move(headers), body));
  }
  Answer act(const std::string& target, const std::string& key, const std::string& body = "{}",
             const std::string& token = "secret-anna") {
    return call("POST", target, {"Authorization: Bearer " + token, "Idempotency-Key: " + key},
                body);
  }
  static std::string code(const Answer& answer) {
    EXPECT_EQ(answer.headers.contains("Content-Type") ? answer.headers.at("Content-Type") : "",
              "application/problem+json");
    const Json json = Json::parse(answer.body, nullptr, false);
    if (json.is_discarded()) return "no JSON: " + answer.body;
    EXPECT_EQ(json["status"], answer.status);
    EXPECT_EQ(json["type"], "urn:serin:problem:" + json["code"].get<std::string>());
    return json["code"];
  }

  TemporaryFolder folder_;
  UvLoop loop_;
  FakeView view_;
  int64_t wall_us_ = 1'795'176'000'000'000;
  std::vector<Control> published_;
  Result<void> bus_answer_;
  bool hold_publishes_ = false;
  uint64_t patience_ms_ = 150;
  std::vector<std::function<void(Result<void>)>> held_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ActDesk> desk_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace serin::aggregator
