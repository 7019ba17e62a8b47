#include <fmt/core.h>

#include "ctl/api/talk.h"
#include "ctl/run.h"
#include "schema/json_writer.h"

// rollback, pass, hold, release: what people decide about a deploy; declare, absolve: about a version.

namespace serin::ctl {
namespace {

std::string body_of(const ActCommand& command) {
  JsonWriter json;
  json.open();
  if (!command.reason.empty()) json.key("reason").text(command.reason);
  if (!command.host.empty()) json.key("host").text(command.host);
  json.close();
  return json.take();
}

}  // namespace

Exit run(const ActCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto id = talk->deploy_id(command.deploy);
  if (!id) return refused(console, id.error());
  const auto json =
      talk->act(fmt::format("/api/v1/deploys/{}/{}", url_part(*id), name(command.act)),
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

Exit run(const VersionCommand& command, const Common& common, Console& console) {
  const auto what = service_version(command.what);
  if (!what) {
    complain(console, fmt::format("{} is not service@version", command.what));
    return Exit::usage;
  }
  if (!command.absolve && !command.irreversible) {
    complain(console, "say --irreversible or --reversible");
    return Exit::usage;
  }
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  JsonWriter json;
  json.open();
  if (!command.reason.empty()) json.key("reason").text(command.reason);
  if (command.irreversible) json.key("irreversible").boolean(*command.irreversible);
  json.close();
  const char* const act = command.absolve ? "absolve" : "declare";
  const auto answer = talk->act(fmt::format("/api/v1/versions/{}/{}/{}", url_part(what->service),
                                            url_part(what->version), act),
                                json.take(), console);
  if (const auto read = Talk::read(answer, read_act); !read) return refused(console, read.error());
  console.out(common.output == Output::json
                  ? *answer + "\n"
                  : fmt::format("Accepted: {} of {}\n", act, command.what));
  return Exit::done;
}

}  // namespace serin::ctl
