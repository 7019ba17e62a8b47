#include <fmt/core.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <map>
#include <optional>

#include "agent/program.h"
#include "agent/rollback/client.h"
#include "agent/sampler/helper_files.h"
#include "agent/sampler/service_check.h"
#include "agent/service/systemd_units.h"
#include "agent/uplink/uplink.h"
#include "common/loop.h"

namespace serin::agent {
namespace {

using Line = ServiceCheck::Line;
constexpr const char* kHelperFolder = "/etc/serin";  // the helper's own default
constexpr uint64_t kBetweenLooksMs = 1000;
constexpr uint64_t kMostMs = 3000;  // the helper has 2 s, NATS a bit more than its connect timeout

void print(const Line& line) {
  std::string_view mark = line.mark == Line::Mark::good   ? "ok  "
                          : line.mark == Line::Mark::note ? "note"
                                                          : "BAD ";
  fmt::print("  {} {:<10} {}\n", mark, line.topic, line.text);
}

/// Everything that needs the loop: connecting, asking the helper, waiting a second between the
/// looks.
class Inquiry {
 public:
  Inquiry(const AgentConfig& config, std::vector<ServiceFile> services, std::string boot_id)
      : config_(config), boot_id_(std::move(boot_id)) {
    for (auto& service : services) checks_.emplace_back(std::move(service), boot_id_);
  }

  void run() {
    connect();
    for (auto& check : checks_) {
      check.first(clock_.now());
      ask(check.name());
      ask_units(check);
    }
    second_.start(kBetweenLooksMs, 50);
    limit_.start(kMostMs);
    loop_.run();
  }

  bool report() {
    bool good = say(host_lines());
    for (auto& check : checks_) {
      fmt::print("\nservice {}\n", check.name());
      if (units_) check.no_units(units_->problem());
      good = say(check.second(clock_.now(), journal_, words_[check.name()])) && good;
    }
    return good;
  }

  ~Inquiry() {
    if (!uplink_) return;
    uplink_->close(0, [this] { loop_.stop(); });
    loop_.run();
  }

 private:
  static bool say(const std::vector<Line>& lines) {
    bool good = true;
    for (const auto& line : lines) {
      print(line);
      good = good && line.mark != Line::Mark::bad;
    }
    return good;
  }

  void connect() {
    auto uplink = Uplink::start(loop_.get(),
                                {.urls = config_.nats_urls,
                                 .credentials = config_.credentials,
                                 .host = config_.host,
                                 .boot_id = boot_id_,
                                 .agent_start_us = clock_.now().boot_us,
                                 .services = {}},
                                {.on_command = [](const std::string&, const Bytes&) {},
                                 .on_attention = [](const std::string&, uint32_t, uint32_t) {}});
    if (uplink) {
      uplink_ = std::move(*uplink);
    } else {
      nats_problem_ = uplink.error().message;
    }
  }

  void ask_units(ServiceCheck& check) {
    for (const auto& unit : check.units()) {
      if (!units_) units_.emplace(loop_.get());
      if (const auto property = check.wanted_property(); !property.empty())
        units_->want(unit, property);
      units_->follow(unit, [&check](const UnitWord& word) { check.take(word); });
    }
  }

  void ask(const std::string& service) {
    ++open_;
    helper_.call({.verb = HelperVerb::inspect, .service = service, .command = {}},
                 [this, service](Result<HelperReply> reply) {
                   --open_;
                   if (reply) helper_answers_ = true;
                   if (!reply) helper_problem_ = reply.error().message;
                   words_[service].inspect = std::move(reply);
                 });
    ++open_;
    helper_.call({.verb = HelperVerb::status, .service = service, .command = {}},
                 [this, service](Result<HelperReply> reply) {
                   --open_;
                   words_[service].status = std::move(reply);
                 });
  }

  void stop_when_done() {
    bool nats = !uplink_ || uplink_->stats().connected;
    bool units = std::ranges::all_of(checks_, &ServiceCheck::has_heard_all);
    if (open_ == 0 && nats && units) loop_.stop();
  }

  std::vector<Line> host_lines() {
    std::vector<Line> lines;
    std::string urls =
        fmt::format("{}{}", config_.nats_urls.front(), config_.nats_urls.size() > 1 ? " …" : "");
    bool connected = uplink_ && uplink_->stats().connected;
    if (uplink_ && !connected) nats_problem_ = uplink_->stats().last_error;
    if (connected) {
      lines.push_back({Line::Mark::good, "nats", urls + " answers"});
    } else {
      lines.push_back(
          {Line::Mark::bad, "nats",
           fmt::format("{}: {}; samples would be kept for a while and sent when it answers", urls,
                       nats_problem_.empty() ? "no answer" : nats_problem_)});
    }
    std::string socket = config_.helper_socket.string();
    if (helper_answers_)
      lines.push_back({Line::Mark::good, "helper", socket + " answers"});
    else if (!helper_problem_.empty())
      lines.push_back({Line::Mark::bad, "helper", helper_problem_});
    std::vector<std::string> names;
    for (const auto& check : checks_) names.push_back(check.name());
    for (auto& line : check_helper_files(kHelperFolder, config_.host, default_host_id(), names))
      lines.push_back(std::move(line));
    std::error_code error;
    bool writable = std::filesystem::is_directory(config_.state_dir, error) &&
                    ::access(config_.state_dir.c_str(), W_OK) == 0;
    lines.push_back({writable ? Line::Mark::good : Line::Mark::bad, "state",
                     fmt::format("{} {}", config_.state_dir.string(),
                                 writable ? "is writable" : "is not a writable folder")});
    if (::geteuid() == 0)
      lines.push_back({Line::Mark::note, "user",
                       "you are root and may read more than the agent: runuser -u serin -g serin -G adm -- "
                       "serin-agent check shows what it sees"});
    return lines;
  }

  const AgentConfig& config_;
  std::string boot_id_;
  HostClock clock_;
  VersionJournal journal_ = VersionJournal::load(config_.state_dir / "versions.journal");
  UvLoop loop_;
  HelperClient helper_{loop_.get(), config_.helper_socket};
  std::unique_ptr<Uplink> uplink_;
  std::vector<ServiceCheck> checks_;
  std::optional<SystemdUnits> units_;  // after the checks that it tells
  std::map<std::string, HelperWord> words_;
  std::string nats_problem_, helper_problem_;
  bool helper_answers_ = false;
  int open_ = 0;
  UvTimer second_{loop_.get(), [this] { stop_when_done(); }};
  UvTimer limit_{loop_.get(), [this] { loop_.stop(); }};
};

}  // namespace

Result<bool> run_check(const Places& places) {
  auto config = load_agent_config(places.config);
  if (!config) return std::unexpected(config.error());
  auto boot_id = read_boot_id();
  if (!boot_id) return std::unexpected(boot_id.error());
  fmt::print("serin-agent {} on {}, configured by {}\n", SERIN_VERSION, config->host,
             places.config.string());
  bool good = true;
  std::vector<ServiceFile> services;
  for (auto& [file, service] : load_service_folder(places.services)) {
    if (service) {
      services.push_back(std::move(*service));
    } else {
      print({Line::Mark::bad, "config", service.error().message});
      good = false;
    }
  }
  if (services.empty())
    print({Line::Mark::bad, "config", places.services.string() + ": no service to watch"});
  good = good && !services.empty();
  Inquiry inquiry(*config, std::move(services), std::move(*boot_id));
  inquiry.run();
  return inquiry.report() && good;
}

}  // namespace serin::agent
