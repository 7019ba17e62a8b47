#include <uv.h>

#include <algorithm>
#include <optional>

#include "agent/facts/fact_book.h"
#include "agent/footprint/footprint.h"
#include "agent/live/live_uplink.h"
#include "agent/program.h"
#include "agent/rollback/client.h"
#include "agent/sampler/readiness_facts.h"
#include "agent/sampler/sampler.h"
#include "agent/service/systemd_units.h"
#include "agent/uplink/uplink.h"
#include "common/file.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/service_file.h"
#include "common/service_manager.h"
#include "common/watchdog.h"

namespace serin::agent {
namespace {

constexpr unsigned kFarewellMs = 2000;  // what a service manager waits for without a thought
constexpr int64_t kOldestStepUs =
    3500LL * 1'000'000;  // the aggregator refuses what is older than an hour

std::vector<ServiceFile> load_services(const std::filesystem::path& folder) {
  std::vector<ServiceFile> services;
  for (auto& [file, service] : load_service_folder(folder)) {
    if (service) {
      services.push_back(std::move(*service));
    } else {
      log::error("{}: left out: {}", file.string(), service.error().message);
    }
  }
  if (services.empty())
    log::warning("{}: no service to watch; only the host itself is reported", folder.string());
  return services;
}

std::vector<std::string> names_of(const std::vector<ServiceFile>& services) {
  std::vector<std::string> names;
  names.reserve(services.size());
  for (const auto& service : services) names.push_back(service.name);
  return names;
}

/// The parts in the order of their making; each uses only earlier ones, but for the handlers, which
/// run on the loop when all are there.
class Agent {
 public:
  Agent(const AgentConfig& config, std::string boot_id)
      : config_(config), boot_id_(std::move(boot_id)) {}

  Result<void> start(std::vector<ServiceFile> services) {
    auto names = names_of(services);
    auto uplink = Uplink::start(
        loop_.get(),
        {.urls = config_.nats_urls,
         .credentials = config_.credentials,
         .host = config_.host,
         .boot_id = boot_id_,
         .agent_start_us = clock_.now().boot_us,
         .services = names},
        {.on_command =
             [this](const std::string& service, Bytes command) {
               if (relay_) relay_->deliver(service, std::move(command));
             },
         .on_attention =
             [this](const std::string& service, uint32_t interval_ms, uint32_t lasting_seconds) {
               if (sampler_) sampler_->attention(service, interval_ms, lasting_seconds);
             }});
    if (!uplink) return std::unexpected(uplink.error());
    uplink_ = std::make_unique<LiveUplink>(std::move(*uplink), config_.host);
    open_live_socket();
    facts_.emplace(
        [this](Event told, const Moment& now) { uplink_->send(std::move(told), now.boot_us); });
    relay_.emplace(
        loop_.get(), helper_, names, config_.host,
        [this](Event step) {
          // A step is told when the helper is asked next; it happened when the helper wrote it
          // down.
          const auto now = clock_.now();
          const int64_t ago = std::clamp<int64_t>(now.wall_us - step.wall_us, 0, kOldestStepUs);
          uplink_->send(std::move(step), now.boot_us - static_cast<uint64_t>(ago));
        },
        [this](const std::string& service, const Result<HelperReply>& status) {
          tell_readiness(facts_->of(service), status);
        });
    HelperPort port{
        .call = [this](const HelperRequest& request,
                       HelperPort::Answer answer) { helper_.call(request, std::move(answer)); },
        .acting = [this](const std::string& service) { return relay_->acting(service); },
        .cause_of = [this](
                        const std::string& service,
                        const std::string& version) { return relay_->cause_of(service, version); },
        .started = [this](const std::string& service) { relay_->look_again(service); },
        .cut_off = [this](const std::string& service) { relay_->hint_dead_man(service); }};
    sampler_.emplace(Sampler::Options{.loop = loop_.get(),
                                      .clock = &clock_,
                                      .boot_id = boot_id_,
                                      .helper = std::move(port),
                                      .state_dir = config_.state_dir,
                                      .units = units_for(services),
                                      .facts = &*facts_,
                                      .metrics_file = config_.metrics_file},
                     *uplink_);
    for (auto& service : services) {
      std::string name = service.name;
      if (auto added = sampler_->add(std::move(service)); !added)
        log::error("{}: left out: {}", name, added.error().message);
    }
    facts_->set_for_all("agent.version", SERIN_VERSION);
    sampler_->start();
    return {};
  }

  void run() {
    notify_manager("READY=1");
    loop_.run();
  }

 private:
  /// A host without units needs no D-Bus.
  UnitManager* units_for(const std::vector<ServiceFile>& services) {
    bool some = std::ranges::any_of(services, [](const ServiceFile& service) {
      return std::holds_alternative<ServiceFile::ByUnit>(service.process);
    });
    if (some) units_.emplace(loop_.get());
    return units_ ? &*units_ : nullptr;
  }

  /// Nothing depends on it: without it `serin-agent top` has nothing to show.
  void open_live_socket() {
    auto live = LiveSocket::make(loop_.get(), config_.live_socket);
    if (!live) return log::info("no live view for `serin-agent top`: {}", live.error().message);
    live_ = std::move(*live);
    uplink_->tell(live_.get());
  }

  void stop() {
    if (std::exchange(stopping_, true)) return;
    notify_manager("STOPPING=1");
    sampler_->farewell();
    uplink_->close(kFarewellMs, [this] { loop_.stop(); });
  }

  const AgentConfig& config_;
  std::string boot_id_;
  HostClock clock_;
  UvLoop loop_;
  Watchdog watchdog_{loop_.get()};
  Footprint footprint_{loop_.get()};
  HelperClient helper_{loop_.get(), config_.helper_socket};
  std::unique_ptr<LiveSocket> live_;
  std::unique_ptr<LiveUplink> uplink_;
  std::optional<FactBooks> facts_;
  std::optional<CommandRelay> relay_;
  std::optional<SystemdUnits> units_;
  std::optional<Sampler> sampler_;
  bool stopping_ = false;
  UvSignal terminate_{loop_.get(), SIGTERM, [this](int) { stop(); }};
  UvSignal interrupt_{loop_.get(), SIGINT, [this](int) { stop(); }};
};

}  // namespace

Result<void> run_agent(const Places& places) {
  Footprint::share_one_heap();
  auto config = load_agent_config(places.config);
  if (!config) return std::unexpected(config.error());
  auto boot_id = read_boot_id();
  if (!boot_id) return std::unexpected(boot_id.error());
  if (auto made = make_folders(config->state_dir, 0700); !made)
    return fail(made.error().message + "; [agent] state_dir must belong to the agent's user");
  Agent agent(*config, std::move(*boot_id));
  if (auto started = agent.start(load_services(places.services)); !started) return started;
  log::info("serin-agent {} watches as {}", SERIN_VERSION, config->host);
  agent.run();
  return {};
}

}  // namespace serin::agent
