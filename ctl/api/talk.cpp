#include "ctl/api/talk.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "common/ids.h"
#include "ctl/keys/tokens.h"

namespace serin::ctl {
namespace {

constexpr size_t kPage = 100;

}  // namespace

std::expected<Talk, Exit> Talk::begin(const Common& common, Console& console) {
  auto settings = load_settings(common);
  if (settings) return Talk(std::move(*settings));
  complain(console, settings.error().message);
  return std::unexpected(Exit::usage);
}

Answer<std::string> Talk::act(const std::string& path, const std::string& body, Console& console) {
  constexpr size_t kKeyBytes = 16;
  constexpr int kAttempts = 3;
  constexpr std::chrono::seconds kBetweenAttempts{1};
  const std::string key = random_hex(kKeyBytes);
  for (int attempt = 1;; ++attempt) {
    auto answer = post(path, body, key);
    if (answer || !answer.error().may_pass() || attempt == kAttempts) return answer;
    console.progress(fmt::format("{}; asking again", answer.error().message));
    std::this_thread::sleep_for(kBetweenAttempts);
  }
}

Answer<std::string> Talk::deploy_id(const std::string& deploy) {
  if (!deploy.contains('@')) return deploy;
  const auto wanted = service_version(deploy);
  if (!wanted) {
    return std::unexpected(Refusal{
        Exit::usage, fmt::format("{} is no deploy: name its id, or service@version", deploy)});
  }
  std::string cursor;
  do {
    const auto page =
        read(get(fmt::format("/api/v1/deploys?service={}&limit={}{}", url_part(wanted->service),
                             kPage, cursor.empty() ? "" : "&cursor=" + url_part(cursor))),
             read_deploys);
    if (!page) return std::unexpected(page.error());
    const auto found =
        std::ranges::find(page->deploys, wanted->version, &core::DeployView::version);
    if (found != page->deploys.end()) return found->id;
    cursor = page->next_cursor;
  } while (!cursor.empty());
  return std::unexpected(Refusal{
      Exit::failed, fmt::format("no deploy of {} {} is known; see serinctl deploys --service {}",
                                wanted->service, wanted->version, wanted->service)});
}

Answer<core::DeployView> Talk::deploy(const std::string& id, std::string* json) {
  auto answer = get("/api/v1/deploys/" + url_part(id));
  if (answer && json != nullptr) *json = *answer;
  return read(answer, read_deploy);
}

Answer<DeploysAnswer> Talk::deploys(const std::string& service, const std::string& state,
                                    size_t most) {
  DeploysAnswer all;
  do {
    std::string path =
        fmt::format("/api/v1/deploys?limit={}", std::min(kPage, most - all.deploys.size()));
    if (!service.empty()) path += "&service=" + url_part(service);
    if (!state.empty()) path += "&state=" + url_part(state);
    if (!all.next_cursor.empty()) path += "&cursor=" + url_part(all.next_cursor);
    auto page = read(get(path), read_deploys);
    if (!page) return page;
    std::ranges::move(page->deploys, std::back_inserter(all.deploys));
    std::ranges::move(page->each, std::back_inserter(all.each));
    all.next_cursor = page->next_cursor;
    if (page->deploys.empty()) break;
  } while (!all.next_cursor.empty() && all.deploys.size() < most);
  return all;
}

Exit refused(Console& console, const Refusal& refusal) {
  complain(console, refusal.message);
  return refusal.exit;
}

std::optional<ServiceVersion> service_version(const std::string& text) {
  const size_t at = text.find('@');
  if (at == text.npos) return std::nullopt;
  ServiceVersion parts{text.substr(0, at), text.substr(at + 1)};
  if (!is_service_name(parts.service) || !is_version(parts.version)) return std::nullopt;
  return parts;
}

}  // namespace serin::ctl
