#include <fmt/core.h>

#include <chrono>
#include <set>
#include <thread>
#include <tuple>

#include "ctl/api/talk.h"
#include "ctl/run.h"
#include "ctl/show/explain.h"
#include "ctl/show/words.h"

// watch: a deploy as it happens, until it has ended.

namespace serin::ctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kBetweenLooks{1};
/// Restarts of the aggregator are sat through; after this it is more than a restart.
constexpr std::chrono::seconds kPatience{60};

/// Tells each entry of the timeline once, in the order in which they came to be known.
class Teller {
 public:
  Teller(Console& console, Output output) : console_(console), output_(output) {}

  void tell(const core::DeployView& deploy) {
    if (output_ == Output::json) return;
    if (!begun_) {
      console_.out(fmt::format("{} {} ({}), seen first at {}\n", deploy.service, deploy.version,
                               deploy.id, utc(deploy.opened_us)));
      begun_ = true;
    }
    for (const auto& entry : deploy.timeline) {
      if (!told_.emplace(entry.at_us, entry.kind, entry.host, entry.text).second) continue;
      console_.out("  " + timeline_line(deploy, entry) + "\n");
    }
  }

  void end(const core::DeployView& deploy, const std::string& json) {
    if (output_ == Output::json) return console_.out(json + "\n");
    console_.out(
        fmt::format("{} {}: {}.\n", deploy.service, deploy.version, state_words(deploy.state)));
    if (!deploy.reason.text.empty()) console_.out(deploy.reason.text + "\n");
  }

 private:
  Console& console_;
  Output output_;
  bool begun_ = false;
  std::set<std::tuple<int64_t, std::string, std::string, std::string>> told_;
};

int64_t now_of(Talk& talk) {
  const auto status = Talk::read(talk.get("/api/v1/status"), read_status);
  return status ? status->now_us : 0;
}

}  // namespace

Exit run(const WatchCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto id = talk->deploy_id(command.deploy);
  if (!id) return refused(console, id.error());
  Teller teller(console, common.output);
  auto heard = Clock::now();
  for (bool first = true;; first = false) {
    std::string json;
    const auto deploy = talk->deploy(*id, &json);
    if (deploy) {
      heard = Clock::now();
      teller.tell(*deploy);
      if (deploy->ended_us != 0) {
        teller.end(*deploy, json);
        return Exit::done;
      }
      console.progress(standing(*deploy, now_of(*talk)));
    } else if (first || !deploy.error().may_pass() || Clock::now() - heard > kPatience) {
      return refused(console, deploy.error());
    } else {
      console.progress(deploy.error().message);
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace serin::ctl
