// Releases that meet a partner as production has one: the real shop-partner over HTTP.
#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "demo/shop/payment.h"

namespace shop {
namespace {

size_t append(char* data, size_t size, size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

class Partner : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string program = std::string(std::getenv("SERIN_BIN")) + "/shop-partner";
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const char* argv[] = {program.c_str(), "--port", "0", "--seed", "7", nullptr};
    ASSERT_EQ(posix_spawn(&pid_, program.c_str(), &actions, nullptr, const_cast<char**>(argv), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    std::string line;
    for (char c = 0; c != '\n' && read(ends[0], &c, 1) == 1;) line += c;  // "… listens on 127.0.0.1:PORT"
    close(ends[0]);
    const auto colon = line.rfind(':');
    ASSERT_NE(colon, std::string::npos) << line;
    std::from_chars(line.data() + colon + 1, line.data() + line.size(), port_);
  }
  void TearDown() override {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      waitpid(pid_, nullptr, 0);
    }
  }

  std::string ask(const std::string& path) const {
    std::string text;
    CURL* curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, fmt::format("http://127.0.0.1:{}{}", port_, path).c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    EXPECT_EQ(curl_easy_perform(curl), CURLE_OK);
    curl_easy_cleanup(curl);
    return text;
  }

  struct Account {
    std::atomic<int> paid = 0, failed = 0, broken = 0;
  };
  /// `orders` small ones by eight customers at once, each of whom waits for the answer.
  void charge(Payment& payment, int orders, Account& account) const {
    std::atomic<int> left = orders;
    std::vector<std::jthread> customers;
    for (int i = 0; i < 8; ++i) {
      customers.emplace_back([&] {
        while (--left >= 0) {
          try {
            const auto outcome = payment.charge(3, 500).outcome;
            account.paid += outcome == Charge::Outcome::paid;
            account.failed += outcome == Charge::Outcome::failed;
          } catch (const std::exception&) {
            ++account.broken;
          }
        }
      });
    }
  }

  PartnerAddress address(const char* client) const { return {.port = port_, .timeout_ms = 3000, .client = client}; }

  pid_t pid_ = 0;
  int port_ = 0;
};

TEST_F(Partner, LimitsTheReleaseThatCallsTwiceAsOften) {
  Account good, bad;
  Payment once(address("once"), {}), twice(address("twice"), {.asks_for_quotes = true});
  charge(once, 24, good);
  charge(twice, 60, bad);
  EXPECT_LE(good.failed, 2) << "the partner itself fails now and then";
  EXPECT_GT(bad.failed, 5);
}

TEST_F(Partner, ThatIsDegradedIsUnderstoodByTheGoodReleaseOnly) {
  EXPECT_EQ(ask("/degrade?share=0.5"), "degraded\n");
  Account good, bad;
  Payment reads(address("reads"), {}), does_not(address("does-not"), {.expects_staging_errors = true});
  charge(reads, 20, good);
  charge(does_not, 20, bad);
  EXPECT_EQ(good.broken, 0);
  EXPECT_GT(bad.broken, 3);
}

TEST_F(Partner, ThatIsWellHidesTheReleaseThatCannotReadItsErrors) {
  Account bad;
  Payment does_not(address("does-not"), {.expects_staging_errors = true});
  charge(does_not, 20, bad);
  EXPECT_EQ(bad.broken, 0);
}

TEST_F(Partner, IsPaidTwiceByTheReleaseThatHedges) {
  const auto charged = [this] { return std::stoi(ask("/charged")); };
  Account account;
  {
    Payment hedges(address("hedges"), {.hedges_charges = true});
    charge(hedges, 24, account);
  }
  EXPECT_GT(charged(), account.paid) << "and nobody got an error";
  EXPECT_EQ(account.broken, 0);
}

TEST_F(Partner, ConfirmsSmallPaymentsAtOnce) {
  Account account;
  Payment waits(address("waits"), {.awaits_confirmations = true});
  charge(waits, 8, account);
  EXPECT_GT(account.paid, 4);
}

TEST_F(Partner, RefusesANonsenseShare) { EXPECT_EQ(ask("/degrade?share=2"), "share: 0 to 1\n"); }

}  // namespace
}  // namespace shop
