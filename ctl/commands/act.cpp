#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "common/ids.h"
#include "ctl/api/talk.h"
#include "ctl/keys/tokens.h"
#include "ctl/run.h"
#include "schema/json_writer.h"

// rollback, pass, hold, release: what people decide.

namespace serin::ctl {
namespace {

constexpr size_t kKeyBytes = 16;
constexpr int kAttempts = 3;
constexpr std::chrono::seconds kBetweenAttempts{1};

std::string body_of(const ActCommand& command) {
  JsonWriter json;
  json.open();
  if (!command.reason.empty()) json.key("reason").text(command.reason);
  if (!command.host.empty()) json.key("host").text(command.host);
  json.close();
  return json.take();
}

/// The same key each time: an act that was stored although its answer was lost is not done twice.
Answer<std::string> ask(Talk& talk, const std::string& path, const std::string& body,
                        Console& console) {
  const std::string key = random_hex(kKeyBytes);
  for (int attempt = 1;; ++attempt) {
    auto answer = talk.post(path, body, key);
    if (answer || !answer.error().may_pass() || attempt == kAttempts) return answer;
    console.progress(fmt::format("{}; asking again", answer.error().message));
    std::this_thread::sleep_for(kBetweenAttempts);
  }
}

}  // namespace

Exit run(const ActCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto id = talk->deploy_id(command.deploy);
  if (!id) return refused(console, id.error());
  const auto json =
      ask(*talk, fmt::format("/api/v1/deploys/{}/{}", url_part(*id), name(command.act)),
          body_of(command), console);
  const auto act = Talk::read(json, read_act);
  if (!act) return refused(console, act.error());
  if (common.output == Output::json) {
    console.out(*json + "\n");
    return Exit::done;
  }
  console.out(fmt::format("Accepted: {} of {}{}. See what comes of it: serinctl watch {}\n",
                          act->kind, act->deploy, command.host.empty() ? "" : " on " + command.host,
                          act->deploy));
  return Exit::done;
}

}  // namespace serin::ctl
