#include "agent/sampler/announcer.h"

#include <algorithm>
#include <array>

#include "agent/rollback/cause.h"
#include "agent/service/running_release.h"
#include "common/ids.h"
#include "common/log.h"

namespace serin::agent {
namespace {

constexpr int64_t kSlackUs =
    1'000'000;  // start ticks and the helper's clock readings lie this far apart at most

constexpr uint64_t kYoungUs = 400'000, kAgainMs = 40;  // between fork and exec, on a slow host

constexpr uint64_t kHoldUs = 2'000'000;  // the aggregator waits 3 s for a generation's version

bool is_last(const std::string& step) {
  constexpr std::array<std::string_view, 5> kLast = {"verified", "failed", "refused", "cancelled",
                                                     "drilled"};
  return std::ranges::find(kLast, step) != kLast.end();
}

}  // namespace

std::optional<Cause> led_to_start(const HelperReply& status, const std::string& version,
                                  int64_t start_wall_us) {
  if (status.command.empty() || status.steps.empty()) return std::nullopt;
  if (start_wall_us < status.steps.front().wall_us - kSlackUs) return std::nullopt;
  const HelperStep& last = status.steps.back();
  // On its way back a drill is not over when it is where it went.
  const bool over =
      is_last(last.name) && !(status.task == HelperTask::drill && last.name == "verified");
  if (over && start_wall_us > last.wall_us + kSlackUs) return std::nullopt;
  return cause_of_start(status.task, status.condemned, status.target, version);
}

struct Announcer::Open {
  NewGeneration generation;
  GenerationRecord record;
};

Announcer::Announcer(uv_loop_t* loop, const HostClock& clock, std::string service,
                     VersionSource& source, VersionJournal& journal, HelperPort helper,
                     Announce announce, std::unique_ptr<VersionInquiry> inquiry)
    : clock_(clock),
      service_(std::move(service)),
      source_(source),
      journal_(journal),
      helper_(std::move(helper)),
      announce_(std::move(announce)),
      inquiry_(std::move(inquiry)),
      again_(loop, [this] {
        if (open_) ask_kernel();
      }) {}

Announcer::~Announcer() = default;

void Announcer::begin(NewGeneration generation) {
  finish();
  doubt_.clear();
  const GenerationRecord* last = journal_.last(service_);
  if (last != nullptr && last->generation == generation.generation) {
    announce_(*last, true);
    return;
  }
  open_ = std::make_shared<Open>();
  open_->record.generation = generation.generation;
  open_->record.start_us = generation.start.wall_us;
  open_->generation = std::move(generation);
  source_.look();
  ask_version();
}

bool Announcer::holds_samples() const {
  return open_ && (!inquiry_ || clock_.now().boot_us < asked_us_ + kHoldUs);
}

const std::string& Announcer::doubt() const {
  return open_ && inquiry_ ? inquiry_->problem() : doubt_;
}

void Announcer::ask_version() {
  if (open_->generation.gone) return finish();
  inquiry_ ? ask_what_runs() : ask_kernel();
}

void Announcer::ask_what_runs() {
  asked_us_ = clock_.now().boot_us;
  inquiry_->begin(open_->generation.generation,
                  [this](const Result<std::string>& answer) { take_answer(answer); });
}

void Announcer::take_answer(const Result<std::string>& answer) {
  if (answer) {
    open_->record.version = *answer;
    return ask_artefact();
  }
  doubt_ = answer.error().message;
  source_.path().empty() ? ask_cause() : ask_kernel();
}

/// The same name may be given to other code.
void Announcer::ask_artefact() {
  auto running = running_release(open_->generation.pid, source_.releases());
  open_->record.artefact = std::move(running.artefact);
  if (!running.forbidden || !helper_.call) return ask_cause();
  helper_.call({.verb = HelperVerb::inspect, .service = service_, .command = {}},
               [this, weak = std::weak_ptr(open_)](const Result<HelperReply>& reply) {
                 if (weak.expired() || weak.lock() != open_) return;
                 if (reply) open_->record.artefact = reply->artefact;
                 ask_cause();
               });
}

void Announcer::ask_kernel() {
  auto running = running_release(open_->generation.pid, source_.releases());
  open_->record.artefact = std::move(running.artefact);
  bool build_id_wanted = source_.path().empty();
  // A version file names versions in words of its own: the release's folder may be called
  // otherwise.
  if (!running.version.empty() && (source_.is_link() || build_id_wanted)) {
    open_->record.version = std::move(running.version);
    return ask_cause();
  }
  bool young = clock_.now().boot_us < open_->generation.start.boot_us + kYoungUs;
  if (young && !running.forbidden && !source_.releases().empty()) return again_.start(kAgainMs);
  if ((running.forbidden || build_id_wanted) && helper_.call) {
    helper_.call({.verb = HelperVerb::inspect, .service = service_, .command = {}},
                 [this, weak = std::weak_ptr(open_)](Result<HelperReply> reply) {
                   if (weak.expired() || weak.lock() != open_) return;
                   take_version(reply);
                   ask_cause();
                 });
    return;
  }
  take_link_version();
  ask_cause();
}

void Announcer::take_version(const Result<HelperReply>& reply) {
  if (reply && reply->answer == HelperAnswer::ok && is_version(reply->version)) {
    open_->record.version = reply->version;
    open_->record.artefact = reply->artefact;
    return;
  }
  take_link_version();
  if (open_->record.version.empty() && !reply) doubt_ += "; the helper: " + reply.error().message;
}

void Announcer::take_link_version() {
  auto found = source_.history().as_of(open_->generation.start.wall_us);
  if (found) {
    open_->record.version = found->version;
    open_->record.ambiguous = found->ambiguous;
    if (found->ambiguous)
      doubt_ = source_.path().string() + " changed within 50 ms of the process's start";
  } else if (inquiry_ && source_.path().empty()) {
    doubt_ = "it ended before it told its version";
    if (!inquiry_->problem().empty()) doubt_ += ": " + inquiry_->problem();
  } else if (source_.path().empty()) {
    doubt_ =
        "only the helper can tell the version (a build-id, or that of an rpm), and it told none";
  } else if (!source_.problem().empty()) {
    doubt_ = source_.problem();
  } else {
    doubt_ = source_.path().string() +
             " was changed after the process had started, and what it said before is unknown";
  }
  if (found && open_->record.artefact.empty() && source_.is_link() && !open_->generation.gone)
    open_->record.artefact = folder_artefact(source_.releases() / found->version);
}

void Announcer::ask_cause() {
  if (open_->record.version.empty() || !helper_.call) return decide();
  helper_.call({.verb = HelperVerb::status, .service = service_, .command = {}},
               [this, weak = std::weak_ptr(open_)](Result<HelperReply> reply) {
                 if (weak.expired() || weak.lock() != open_) return;
                 take_cause(reply);
                 decide();
               });
}

void Announcer::take_cause(const Result<HelperReply>& reply) {
  // A helper that was killed while its action goes on does not answer: what the relay last heard
  // counts then.
  const auto cause =
      reply ? led_to_start(*reply, open_->record.version, open_->record.start_us) : our_doing();
  open_->record.cause = cause.value_or(Cause::external);
}

/// While the helper works somebody may start another version: that is not our doing.
std::optional<Cause> Announcer::our_doing() const {
  const std::string& version = open_->record.version;
  if (version.empty() || !helper_.cause_of) return std::nullopt;
  return helper_.cause_of(service_, version);
}

void Announcer::finish() {
  if (!open_) return;
  again_.stop();
  if (inquiry_) inquiry_->stop();
  open_->generation.gone = true;  // there is no time left to look at what it was made of
  if (open_->record.version.empty()) take_link_version();
  open_->record.cause = our_doing().value_or(Cause::external);
  decide();
}

void Announcer::decide() {
  GenerationRecord record = std::move(open_->record);
  open_.reset();
  const GenerationRecord* last = journal_.last(service_);
  bool same_version = last != nullptr && last->version == record.version;
  bool replaced = same_version && is_other_artefact(last->artefact, record.artefact);
  if (last != nullptr) record.previous = same_version ? last->previous : last->version;
  bool known = !record.version.empty();
  record.kind = known && (!same_version || replaced) ? EventKind::version_started
                                                     : EventKind::process_started;
  record.same_name = replaced;
  if (record.artefact.empty() && same_version) record.artefact = last->artefact;
  if (known)
    if (auto kept = journal_.put(service_, record); !kept)
      log::warning("{}: {}", service_, kept.error().message);
  announce_(record, false);
}

}  // namespace serin::agent
