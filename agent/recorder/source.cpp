#include "agent/recorder/source.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>

namespace serin::agent {
namespace {

constexpr uint64_t kOldestResumeUs = 600'000'000;  // what is older tells nothing about now
/// A head is written within a millisecond of its file's making.
constexpr int64_t kMakingUs = 10'000'000;
constexpr uint64_t kPatienceWithUnknownUs = 60'000'000;

}  // namespace

Result<std::unique_ptr<RecorderSource>> RecorderSource::make(const ServiceFile& service,
                                                             size_t index, Setting setting,
                                                             const HostClock& clock) {
  std::optional<RecorderStore> store;
  if (setting.state_dir) {
    auto opened =
        RecorderStore::open(*setting.state_dir / fmt::format("recorder-{}-{}", service.name, index),
                            setting.judge.boot_id);
    if (!opened) return std::unexpected(opened.error());
    store = std::move(*opened);
  }
  std::unique_ptr<RecorderSource> source(
      new RecorderSource(service, index, std::move(setting), clock));
  source->store_ = std::move(store);
  source->resume();
  return source;
}

RecorderSource::RecorderSource(const ServiceFile& service, size_t index, Setting setting,
                               const HostClock& clock)
    : clock_(clock),
      service_(service.name),
      rules_(RecorderRules::of(service, index)),
      proc_(setting.judge.proc),
      folder_(service.requests.at(index).path),
      judge_(service, std::move(setting.judge)) {}

void RecorderSource::resume() {
  auto saved = store_ ? store_->load() : std::nullopt;
  uint64_t now_us = clock_.now().boot_us;
  if (!saved || saved->boot_us > now_us || now_us - saved->boot_us > kOldestResumeUs) return;
  resumed_from_us_ = saved->boot_us;
  known_ = std::move(saved->files);
}

void RecorderSource::poll(const Timeline& timeline, int64_t now_us, Tallies& tallies) {
  Moment now{.boot_us = clock_.now().boot_us, .wall_us = now_us};
  complete_ = true;
  trouble_.clear();
  uint32_t last_span = timeline.last() != nullptr ? timeline.last()->id : 0;
  judge_all_ = last_span != judged_span_;
  judged_span_ = last_span;
  if (judge_all_) {
    for (auto& [name, refused] : refused_) refused.again = true;
    folder_.forget();
  }
  look_at_folder(now);
  for (auto& one : files_)
    if (!one.over) look_at(one, timeline, now, tallies);
  drop_foreign();
  say(timeline, now);
}

// ---- the folder

void RecorderSource::look_at_folder(const Moment& now) {
  auto entries = folder_.look(service_);
  if (!entries) return;
  auto is_gone = [&](const auto& item) {
    return std::ranges::find(*entries, item.first, &RecorderFolder::Entry::name) == entries->end();
  };
  making_.clear();
  std::erase_if(refused_, is_gone);
  std::erase_if(kept_, is_gone);
  for (const auto& entry : *entries)
    if (!is_known(entry)) open(entry, now);
  first_look_ = false;
  known_.clear();
}

bool RecorderSource::is_known(const RecorderFolder::Entry& entry) const {
  auto is_it = [&](const OneFile& one) { return one.file.identity() == entry.identity; };
  if (std::ranges::any_of(files_, is_it)) return true;
  auto kept = kept_.find(entry.name);
  if (kept != kept_.end() && kept->second.identity == entry.identity) return true;
  auto refused = refused_.find(entry.name);
  return refused != refused_.end() && refused->second.identity == entry.identity &&
         !refused->second.again;
}

void RecorderSource::open(const RecorderFolder::Entry& entry, const Moment& now) {
  auto file = RecorderFile::open(folder_.fd(), entry.name);
  bool young = now.wall_us - entry.made_us < kMakingUs;
  if (young && (!file || !*file)) {  // it may be in the making
    if (!file) making_.push_back({.name = entry.name, .trouble = file.error().message});
    return folder_.forget();
  }
  if (!file) return leave(entry, now, file.error().message);
  if (!*file) return leave(entry, now, entry.name + ": its head was never written");
  if ((*file)->head().service != service_)
    return refuse(entry.name, entry.identity,
                  fmt::format("{}: is one of the service {}", entry.name, (*file)->head().service));
  if (files_.size() >= SERIN_RECORDER_MOST_FILES)
    return refuse(entry.name, entry.identity,
                  fmt::format("{}: there are more than {} files of this service", entry.name,
                              static_cast<int>(SERIN_RECORDER_MOST_FILES)));
  add(std::move(**file), now);
}

/// What cannot be read is left alone while its writer lives, and else to be cleared away: it would
/// be in the way of those that come.
void RecorderSource::leave(const RecorderFolder::Entry& entry, const Moment& now, std::string why) {
  UniqueFd fd(
      ::openat(folder_.fd(), entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  bool lives = look_at_process(proc_, entry.pid) || (fd && RecorderFile::locked_by(fd.get()) != 0);
  bool young = now.wall_us - entry.made_us < static_cast<int64_t>(kPatienceWithUnknownUs);
  if (!lives && !young) rubbish_.push_back(entry);
  refuse(entry.name, entry.identity, std::move(why));
}

void RecorderSource::refuse(const std::string& name, FileIdentity identity, std::string why) {
  auto [place, is_new] = refused_.insert_or_assign(
      name, Refused{.identity = identity, .why = std::move(why), .again = false});
  if (is_new) ++refusals_;
}

void RecorderSource::add(RecorderFile file, const Moment& now) {
  size_t cells = file.head().used_cells();
  for (const auto& one : files_) cells += one.sums.size();
  if (cells > kMostKeptCells)
    return refuse(file.name(), file.identity(),
                  file.name() + ": too many classes in too many processes");
  auto sums = counted_before(file);
  if (!sums) return refuse(file.name(), file.identity(), sums.error().message);
  refused_.erase(file.name());
  files_.push_back({.file = std::move(file),
                    .sums = std::move(*sums),
                    .seen_us = now.boot_us,
                    .span = {},
                    .trouble = {}});
}

/// Nothing, of a file that was made since the agent looked last. What it held before, of any other:
/// as the agent before wrote down, or else all that is in it now.
Result<std::vector<uint64_t>> RecorderSource::counted_before(const RecorderFile& file) {
  std::vector<uint64_t> sums(file.head().used_cells());
  for (auto& known : known_)
    if (known.name == file.name() && known.identity == file.identity() &&
        known.sums.size() == sums.size())
      return std::move(known.sums);
  bool new_since = !first_look_ || resumed_from_us_;
  if (new_since && !refused_.contains(file.name())) return sums;
  if (auto read = file.read(sums); !read) return std::unexpected(read.error());
  return sums;
}

// ---- one file

void RecorderSource::look_at(OneFile& one, const Timeline& timeline, const Moment& now,
                             Tallies& tallies) {
  // First whether it lives: what is read of the dead is the last.
  auto living = judge_.living(one.file);
  if (!one.span || judge_all_) judge(one, living, timeline, now);
  if (one.span) read(one, tallies);
  bool waited = now.boot_us - one.seen_us > kPatienceWithUnknownUs;
  if (!one.span && waited) one.foreign = true;
  one.over = !living && (one.span || one.foreign);
  if (one.over && !one.span) ++refusals_;
}

void RecorderSource::judge(OneFile& one, std::optional<int32_t> living, const Timeline& timeline,
                           const Moment& now) {
  auto wall_of = [&](uint64_t ticks) { return moment_of_ticks(ticks, now).wall_us; };
  auto verdict = judge_.judge(one.file, living, timeline, wall_of);
  using Kind = WriterJudge::Verdict::Kind;
  if (verdict.kind == Kind::ours) {
    one.span = verdict.span;
    one.trouble.clear();
  } else if (!one.span) {
    one.trouble = fmt::format("{}: {}", one.file.name(), verdict.reason);
    one.foreign = verdict.kind == Kind::foreign;
  }
}

void RecorderSource::read(OneFile& one, Tallies& tallies) {
  Result<uint64_t> misused = 0;
  if (auto got = one.file.read(reading_); !got) {
    misused = std::unexpected(got.error());
  } else {
    misused = add_growth(one.file.head(), one.sums, reading_, rules_, tallies.of(*one.span));
    if (!misused) misused = fail(fmt::format("{}: {}", one.file.name(), misused.error().message));
    one.sums.swap(reading_);  // damaged: counted from here on
  }
  if (misused) {
    misused_ += *misused;
    one.trouble.clear();
    return;
  }
  if (one.trouble.empty()) ++failures_;
  one.trouble = trouble_ = misused.error().message;
  complete_ = false;
}

void RecorderSource::drop_foreign() {
  for (const auto& one : files_)
    if (one.foreign && !one.over) refuse(one.file.name(), one.file.identity(), one.trouble);
  std::erase_if(files_, [](const OneFile& one) { return one.foreign && !one.over; });
}

/// The requests of a process without a file are not known to be none.
void RecorderSource::say(const Timeline& timeline, const Moment& now) {
  problem_ = !folder_.problem().empty() ? folder_.problem() : trouble_;
  if (!problem_.empty()) complete_ = false;
  const Timeline::Span* last = timeline.last();
  if (last == nullptr || last->generation.empty()) return;
  if (std::ranges::any_of(files_, [&](const OneFile& one) { return one.span == last->id; })) return;
  complete_ = false;
  if (!problem_.empty() || now.wall_us - last->start_us < kPatienceUs) return;
  problem_ = fmt::format(
      "no process of {} records in {}: it must call serin_recorder_open, and may "
      "have to be allowed to write there (ReadWritePaths=)",
      service_, folder_.path().string());
  for (const auto& word : words())
    if (!word.trouble.empty()) problem_ = word.trouble;  // more likely the cause
}

// ---- what was handed on

void RecorderSource::commit(uint64_t boot_us) {
  remove_dead();
  save(boot_us);
}

void RecorderSource::remove_dead() {
  for (const auto& entry : rubbish_)
    static_cast<void>(folder_.remove(entry.name, entry.identity));  // or it stays refused
  rubbish_.clear();
  for (auto& one : files_)
    if (one.over && !folder_.remove(one.file.name(), one.file.identity()))
      kept_[one.file.name()] = {
          .name = one.file.name(), .identity = one.file.identity(), .sums = std::move(one.sums)};
  std::erase_if(files_, [](const OneFile& one) { return one.over; });
}

void RecorderSource::save(uint64_t boot_us) {
  if (!store_) return;
  RecorderStore::Saved saved{.boot_us = boot_us, .files = {}};
  for (const auto& one : files_)
    if (one.span)
      saved.files.push_back(
          {.name = one.file.name(), .identity = one.file.identity(), .sums = one.sums});
  for (const auto& [name, known] : kept_)
    if (saved.files.size() < SERIN_RECORDER_MOST_FILES) saved.files.push_back(known);
  store_->save(saved);
}

std::vector<RecorderSource::FileWord> RecorderSource::words() const {
  std::vector<FileWord> words = making_;
  for (const auto& one : files_)
    words.push_back({.name = one.file.name(),
                     .requests = requests_in(one.file.head(), one.sums),
                     .trouble = one.trouble});
  for (const auto& [name, refused] : refused_)
    words.push_back({.name = name, .requests = 0, .trouble = refused.why});
  return words;
}

}  // namespace serin::agent
