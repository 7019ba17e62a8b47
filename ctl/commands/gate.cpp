#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "ctl/api/talk.h"
#include "ctl/run.h"
#include "ctl/show/words.h"

// gate: may this version go to that stage? Made for pipelines, which go by the exit status.

namespace serin::ctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kBetweenLooks{1};

struct Look {
  Exit exit = Exit::not_yet;
  std::string words;
  std::string json;  ///< empty where there was no answer
  bool final = false;
};

Look look_from(const Answer<std::string>& answer) {
  const auto read = Talk::read(answer, read_gate);
  if (!read) {
    // 1 means `stop`. Whatever else goes wrong must not look like it.
    const Exit exit = read.error().exit == Exit::failed ? Exit::not_yet : read.error().exit;
    return {
        .exit = exit, .words = read.error().message, .json = {}, .final = exit != Exit::not_yet};
  }
  const bool go = read->gate == "go", stop = read->gate == "stop";
  return {.exit = go     ? Exit::done
                  : stop ? Exit::failed
                         : Exit::not_yet,
          .words = fmt::format("{}: {}",
                               go     ? "go"
                               : stop ? "stop"
                                      : "not yet",
                               read->text),
          .json = *answer,
          .final = go || stop};
}

}  // namespace

Exit run(const GateCommand& command, const Common& common, Console& console) {
  const auto what = service_version(command.what);
  if (!what) {
    complain(console, fmt::format("{} is not service@version", command.what));
    return Exit::usage;
  }
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const std::string path = fmt::format("/api/v1/gates/{}/{}?stage={}", url_part(what->service),
                                       url_part(what->version), url_part(command.stage));
  const auto begun = Clock::now();
  const auto end = begun + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(command.wait_seconds));
  Look look = look_from(talk->get(path));
  while (!look.final && Clock::now() < end) {
    const std::chrono::duration<double> waited = Clock::now() - begun;
    console.progress(fmt::format("{:.0f} s · {}", waited.count(), look.words));
    std::this_thread::sleep_for(std::min<Clock::duration>(kBetweenLooks, end - Clock::now()));
    look = look_from(talk->get(path));
  }
  if (look.json.empty()) {
    complain(console, look.words);
  } else {
    console.out((common.output == Output::json ? look.json : look.words) + "\n");
  }
  return look.exit;
}

}  // namespace serin::ctl
