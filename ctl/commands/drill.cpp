#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "ctl/api/talk.h"
#include "ctl/run.h"
#include "ctl/show/lists.h"
#include "schema/json_writer.h"

// drill: a rollback is rehearsed on one host. drills: those that were.

namespace serin::ctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBetweenLooks{500};
/// So long until the act has come round through the stream, and a refusal is known.
constexpr std::chrono::seconds kUntilKnown{5};
/// The aggregator ends every drill: one that nobody answers after a minute, any other after 15.
constexpr std::chrono::minutes kLongest{17};

bool ended(const Answer<core::DrillView>& drill) {
  return drill && drill->state != core::DrillState::running;
}

/// Looks until `enough` or the time is over. The act may not have come round yet: not found is not
/// yet.
Answer<core::DrillView> look(Talk& talk, const std::string& id, Clock::duration patience,
                             bool until_ended, Console& console, std::string& json) {
  const auto end = Clock::now() + patience;
  for (;;) {
    const auto answer = talk.get("/api/v1/drills/" + url_part(id));
    auto drill = Talk::read(answer, read_drill);
    if (answer) json = *answer;
    const bool enough = ended(drill) || (!until_ended && drill);
    const bool hopeless = !drill && drill.error().exit == Exit::not_allowed;
    if (enough || hopeless || Clock::now() >= end) return drill;
    console.progress(drill ? fmt::format("{}: {}", drill->host,
                                         drill->step.empty() ? "not answered yet" : drill->step)
                           : drill.error().message);
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

std::string words(const core::DrillView& drill) {
  return fmt::format("{} on {}: {}", drill.service, drill.host, drill.text);
}

Exit exit_of(const core::DrillView& drill, bool wait) {
  switch (drill.state) {
    case core::DrillState::drilled:
      return Exit::done;
    case core::DrillState::running:
      return wait ? Exit::not_yet : Exit::done;
    case core::DrillState::failed:
    case core::DrillState::refused:
      return Exit::failed;
  }
  return Exit::failed;
}

}  // namespace

Exit run(const DrillCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  JsonWriter body;
  body.open();
  body.key("host").text(command.host).key("service").text(command.service);
  if (!command.reason.empty()) body.key("reason").text(command.reason);
  body.close();
  const auto act = Talk::read(talk->act("/api/v1/drills", body.take(), console), read_act);
  if (!act) return refused(console, act.error());
  std::string json;
  const auto drill = look(*talk, act->id, command.wait ? Clock::duration(kLongest) : kUntilKnown,
                          command.wait, console, json);
  if (!drill) {
    // It was accepted: whatever keeps us from seeing more is no failure of the drill.
    complain(console, fmt::format("drill {} was accepted, and what became of it cannot be seen: {}",
                                  act->id, drill.error().message));
    return drill.error().exit == Exit::not_allowed ? Exit::not_allowed : Exit::not_yet;
  }
  if (common.output == Output::json) {
    console.out(json + "\n");
  } else if (drill->state == core::DrillState::running) {
    console.out(fmt::format("Under way: {}. See what comes of it: serinctl drills\n", words(*drill)));
  } else {
    console.out(fmt::format("{}: {}\n", core::name(drill->state), words(*drill)));
  }
  return exit_of(*drill, command.wait);
}

Exit run(const DrillsCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto json =
      talk->get(command.service.empty() ? "/api/v1/drills"
                                        : "/api/v1/drills?service=" + url_part(command.service));
  const auto drills = Talk::read(json, read_drills);
  if (!drills) return refused(console, drills.error());
  console.out(common.output == Output::json ? *json + "\n" : show_drills(*drills));
  return Exit::done;
}

}  // namespace serin::ctl
