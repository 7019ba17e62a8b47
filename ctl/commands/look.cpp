#include <fmt/format.h>

#include "ctl/api/talk.h"
#include "ctl/run.h"
#include "ctl/show/explain.h"
#include "ctl/show/lists.h"

// status, deploys, hosts, explain: what is to be seen now.

namespace serin::ctl {
namespace {

std::string deploys_list(const DeploysAnswer& answer) {
  return fmt::format("[{}]", fmt::join(answer.each, ","));
}

/// The deploys of several pages as one answer.
std::string deploys_json(const DeploysAnswer& answer) {
  // A cursor is a deploy's id: nothing in it needs to be escaped.
  const std::string cursor = answer.next_cursor.empty() ? "null" : "\"" + answer.next_cursor + "\"";
  return fmt::format("{{\"deploys\":{},\"next_cursor\":{}}}", deploys_list(answer), cursor);
}

int64_t now_of(Talk& talk) {
  const auto status = Talk::read(talk.get("/api/v1/status"), read_status);
  return status ? status->now_us : 0;
}

}  // namespace

Exit run(const StatusCommand&, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto status_json = talk->get("/api/v1/status");
  const auto status = Talk::read(status_json, read_status);
  if (!status) return refused(console, status.error());
  const auto services_json = talk->get("/api/v1/services");
  const auto services = Talk::read(services_json, read_services);
  if (!services) return refused(console, services.error());
  const auto hosts_json = talk->get("/api/v1/hosts");
  const auto hosts = Talk::read(hosts_json, read_hosts);
  if (!hosts) return refused(console, hosts.error());
  constexpr size_t kDeploys = 10;
  const auto deploys = talk->deploys("", "", kDeploys);
  if (!deploys) return refused(console, deploys.error());
  if (common.output == Output::json) {
    // Both were read above, so the members are there.
    console.out(fmt::format("{{\"status\":{},\"services\":{},\"hosts\":{},\"deploys\":{}}}\n",
                            *status_json, *member_text(*services_json, "services"),
                            *member_text(*hosts_json, "hosts"), deploys_list(*deploys)));
  } else {
    console.out(show_status(*status, *services, deploys->deploys, *hosts, talk->url()));
  }
  return Exit::done;
}

Exit run(const DeploysCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto deploys = talk->deploys(command.service, command.state, command.limit);
  if (!deploys) return refused(console, deploys.error());
  console.out(common.output == Output::json ? deploys_json(*deploys) + "\n"
                                            : show_deploys(deploys->deploys));
  return Exit::done;
}

Exit run(const HostsCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto json =
      talk->get(command.service.empty() ? "/api/v1/hosts"
                                        : "/api/v1/hosts?service=" + url_part(command.service));
  const auto hosts = Talk::read(json, read_hosts);
  if (!hosts) return refused(console, hosts.error());
  console.out(common.output == Output::json ? *json + "\n" : show_hosts(*hosts, now_of(*talk)));
  return Exit::done;
}

Exit run(const ExplainCommand& command, const Common& common, Console& console) {
  auto talk = Talk::begin(common, console);
  if (!talk) return talk.error();
  const auto id = talk->deploy_id(command.deploy);
  if (!id) return refused(console, id.error());
  std::string json;
  const auto deploy = talk->deploy(*id, &json);
  if (!deploy) return refused(console, deploy.error());
  console.out(common.output == Output::json ? json + "\n" : explain(*deploy));
  return Exit::done;
}

}  // namespace serin::ctl
