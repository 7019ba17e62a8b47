#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "agent/sampler/sampler.h"
#include "tests/unit/agent/fake_uplink.h"
#include "tests/unit/agent/run_until.h"
#include "tests/unit/agent/temp_folder.h"
#include "tests/unit/recorder/recorders.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;

/// A program that records under load and says what it recorded; ends when its input does.
class LoadedProgram {
 public:
  explicit LoadedProgram(const std::vector<std::string>& command) {
    int input[2], output[2];
    EXPECT_EQ(::pipe2(input, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(output, O_CLOEXEC), 0);
    std::vector<char*> argv;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(input[0], 0);
      ::dup2(output[1], 1);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];
    output_ = output[0];
  }
  ~LoadedProgram() { finish(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// What it says when the load is over: outcomes, orders, quantiles in nanoseconds.
  std::vector<uint64_t> result() {
    std::string text;
    char byte = 0;
    while (::read(output_, &byte, 1) == 1 && byte != '\n') text += byte;
    std::istringstream words(text);
    std::string first;
    words >> first;
    EXPECT_EQ(first, "recorded") << text;
    std::vector<uint64_t> numbers;
    for (uint64_t number = 0; words >> number;) numbers.push_back(number);
    return numbers;
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    finish();
  }
  void finish() {
    if (input_ < 0) return;
    ::close(input_);
    ::close(output_);
    input_ = -1;
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
  int input_ = -1, output_ = -1;
};

/// The whole agent but its uplink, a service by its pid file, and real processes.
class RecorderUnderLoad : public testing::Test {
 protected:
  RecorderUnderLoad() {
    fs::create_directories(folder_ / "recorder");
    fs::create_directories(folder_ / "state");
    fs::create_directories(folder_ / "releases/v1");
    fs::create_directory_symlink("releases/v1", folder_ / "current");
  }
  void start_agent() {
    ServiceFile file;
    file.name = "api";
    file.process = ServiceFile::ByPidFile{folder_ / "api.pid"};
    file.version = ServiceFile::VersionSymlink{folder_ / "current"};
    file.requests.push_back({.source = "recorder", .path = folder_ / "recorder"});
    file.business.push_back(
        {.name = "orders", .metric = {MetricSelector::parse("orders").value()}});
    sampler_ = std::make_unique<Sampler>(Sampler::Options{.loop = loop_.get(),
                                                          .clock = &clock_,
                                                          .boot_id = boot_id_,
                                                          .state_dir = folder_ / "state"},
                                         uplink_);
    auto added = sampler_->add(std::move(file));
    ASSERT_TRUE(added) << added.error().message;
    sampler_->start();
  }
  std::unique_ptr<LoadedProgram> run(const std::vector<std::string>& command) {
    auto program = std::make_unique<LoadedProgram>(command);
    write_text(folder_ / "new.pid", fmt::format("{}\n", program->pid()));
    fs::rename(folder_ / "new.pid", folder_ / "api.pid");
    return program;
  }
  std::unique_ptr<LoadedProgram> load(int threads, int each, int seed) {
    return run({RECORDER_LOAD, (folder_ / "recorder").string(), "api", std::to_string(threads),
                std::to_string(each), std::to_string(seed)});
  }
  struct Seen {
    RequestMetrics requests;
    double orders = 0;
  };
  /// Of one process: its version may be in doubt, as it starts in the moment that the link changes.
  [[nodiscard]] Seen seen(pid_t pid) const {
    Seen sum;
    std::string generation = fmt::format("{}:{}:", boot_id_, pid);
    for (const auto& [sample, end] : uplink_.samples) {
      if (!sample.generation.starts_with(generation) || sample.history) continue;
      if (sample.requests) add(sum.requests, *sample.requests);
      for (const auto& counter : sample.counters)
        if (counter.name == "orders") sum.orders += counter.value;
    }
    return sum;
  }
  bool wait_for(pid_t pid, uint64_t requests) {
    return run_until(loop_, [&] { return seen(pid).requests.requests >= requests; });
  }
  /// To the request, and to the bucket.
  static void expect_same(const Seen& seen, const std::vector<uint64_t>& said) {
    ASSERT_EQ(said.size(), 10U);
    EXPECT_EQ(seen.requests.requests, said[0] + said[1] + said[2] + said[3] + said[4]);
    EXPECT_EQ(seen.requests.errors, said[1]);
    EXPECT_EQ(seen.requests.client, said[2]);
    EXPECT_EQ(seen.requests.aborted, said[3]);
    EXPECT_EQ(seen.requests.limited, said[4]);
    EXPECT_EQ(seen.orders, static_cast<double>(said[5]));
    constexpr std::array<double, 4> kQuantiles = {0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < kQuantiles.size(); ++i) {
      int exact = ExpHistogram::index_of(static_cast<double>(said[6 + i]) * 1e-9);
      EXPECT_NEAR(ExpHistogram::index_of(seen.requests.latency.quantile(kQuantiles[i])), exact, 1)
          << kQuantiles[i];
    }
  }

  TempFolder folder_;
  HostClock clock_;
  std::string boot_id_ = read_boot_id().value();
  UvLoop loop_;
  FakeUplink uplink_;
  std::unique_ptr<Sampler> sampler_;
};

TEST_F(RecorderUnderLoad, CountsEqualTheProgramsToTheRequestAcrossARestartAndAKill) {
  start_agent();
  auto first = load(4, 50'000, 1);
  auto said_first = first->result();
  pid_t first_pid = first->pid();
  ASSERT_TRUE(wait_for(first_pid, 1));
  first->kill();
  auto second = load(2, 30'000, 2);
  auto said_second = second->result();
  ASSERT_TRUE(wait_for(first_pid, 200'000));
  ASSERT_TRUE(wait_for(second->pid(), 60'000));
  second->finish();
  run_until(loop_, [&] { return names_in(folder_ / "recorder").empty(); });
  sampler_->farewell();
  expect_same(seen(first_pid), said_first);
  expect_same(seen(second->pid()), said_second);
  EXPECT_TRUE(names_in(folder_ / "recorder").empty());
}

TEST_F(RecorderUnderLoad, CountsEqualTheProgramsAcrossARestartOfTheAgent) {
  start_agent();
  auto program = load(1, 1000, 3);
  ASSERT_TRUE(wait_for(program->pid(), 1000));
  auto said = program->result();
  sampler_->farewell();
  sampler_.reset();
  auto meanwhile = std::make_unique<LoadedProgram>(std::vector<std::string>{
      RECORDER_LOAD, (folder_ / "recorder").string(), "api", "1", "500", "4"});
  meanwhile->result();
  start_agent();
  run_until(loop_, [&] { return uplink_.samples.size() > 12; });
  sampler_->farewell();
  expect_same(seen(program->pid()), said);  // and nothing of a process that is not the service's
}

TEST_F(RecorderUnderLoad, PythonRecordsTheSame) {
  start_agent();
  auto program = run({"/usr/bin/python3", RECORDER_PY, "--load", (folder_ / "recorder").string(),
                      "api", "3", "2000"});
  auto said = program->result();
  ASSERT_TRUE(wait_for(program->pid(), 6000));
  program->finish();
  run_until(loop_, [&] { return names_in(folder_ / "recorder").empty(); });
  sampler_->farewell();
  expect_same(seen(program->pid()), said);
}

}  // namespace
}  // namespace serin::agent
