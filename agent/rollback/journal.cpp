#include "agent/rollback/journal.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/rollback/trust.h"
#include "common/log.h"
#include "schema/limits.h"
#include "schema/text.h"

namespace serin::helper {
namespace {

constexpr size_t kReservedBytes =
    64 * 1024;  // for the steps: some 40 lines of at most 300 bytes in five runs
constexpr size_t kMostFileBytes = size_t{256} * 1024;
constexpr int64_t kKeepDoneUs = int64_t{30} * 24 * 3600 * kSecondUs;

std::unexpected<Error> failed(std::string_view what, const std::filesystem::path& file) {
  return fail(fmt::format("cannot {} the journal {}: {}", what, file.native(), errno_text(errno)));
}

std::string line_of(int64_t wall_us, std::string_view word, std::string_view text) {
  const std::string plain = plain_text(text, limits::kStepReasonBytes);
  return plain.empty() ? fmt::format("{} {}\n", wall_us, word)
                       : fmt::format("{} {} {}\n", wall_us, word, plain);
}

/// Room behind the end of the file, so that no later step fails for want of it.
Result<void> reserve(int fd, const std::filesystem::path& file) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return failed("look at", file);
  if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, facts.st_size, kReservedBytes) == 0) return {};
  if (errno == EOPNOTSUPP) return {};  // file systems without it (NFS, some FUSE) reserve nothing
  return failed("reserve room in", file);
}

Result<std::optional<Record>> read_record(const std::filesystem::path& file) {
  struct stat facts {};
  if (::lstat(file.c_str(), &facts) != 0 && errno == ENOENT) return std::nullopt;
  const auto text = read_file(file, kMostFileBytes);
  if (!text) return std::unexpected(text.error());
  auto record = parse_record(*text);
  if (!record) {
    return fail(fmt::format("the journal {} is damaged ({}): look at it, then move it away",
                            file.native(), record.error().message));
  }
  return std::optional(std::move(*record));
}

struct Dated {
  std::filesystem::path file;
  int64_t changed_us = 0;
};

std::vector<Dated> newest_first(const std::filesystem::path& folder) {
  std::vector<Dated> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    struct stat facts {};
    if (::stat(at->path().c_str(), &facts) != 0) continue;
    files.push_back(
        {at->path(), int64_t{facts.st_mtim.tv_sec} * kSecondUs + facts.st_mtim.tv_nsec / 1000});
  }
  std::ranges::sort(files, std::greater{}, &Dated::changed_us);
  return files;
}

/// Reads no more than the head: done/ may hold hundreds of files.
bool is_about(const std::filesystem::path& file, const std::string& service) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 256> start{};
  if (!fd || ::read(fd.get(), start.data(), start.size() - 1) <= 0) return false;
  const std::string_view text(start.data());
  return text.substr(0, text.find('\n')).ends_with(" " + service);
}

}  // namespace

Result<void> JournalFolder::prepare() const {
  if (auto made = make_folders(state_, 0700); !made) return made;
  for (const auto& folder : {state_, state_ / "pending", state_ / "done"}) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return fail(fmt::format("cannot make {}: {}", folder.native(), errno_text(errno)));
    }
    if (auto owned = check_owned_folder(folder); !owned) return owned;
  }
  return {};
}

Result<UniqueFd> JournalFolder::lock() const {
  const auto file = state_ / "lock";
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) return failed("lock", file);
  return fd;
}

Result<std::optional<Record>> JournalFolder::pending(const std::string& service) const {
  return read_record(pending_path(service));
}

Result<std::optional<Record>> JournalFolder::done(const std::string& id) const {
  return read_record(done_path(id));
}

Result<std::optional<Record>> JournalFolder::latest(const std::string& service) const {
  auto now = pending(service);
  if (!now || *now) return now;
  for (const Dated& each : newest_first(state_ / "done")) {
    if (is_about(each.file, service)) return read_record(each.file);
  }
  return std::nullopt;
}

std::vector<std::string> JournalFolder::pending_services() const {
  std::vector<std::string> services;
  for (const Dated& each : newest_first(state_ / "pending")) {
    auto name = each.file.filename().native();
    if (is_service_name(name)) services.push_back(std::move(name));
  }
  return services;
}

bool JournalFolder::held(const std::string& service) const {
  const UniqueFd fd(::open(pending_path(service).c_str(), O_RDONLY | O_CLOEXEC));
  return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
}

Result<void> JournalFolder::create(const NewRecord& record, int64_t wall_us,
                                   StepObserver& observer) const {
  const auto file = pending_path(record.service);
  const auto temporary =
      state_ / "pending" / ("." + record.service);  // one at a time: we hold the lock
  ::unlink(temporary.c_str());
  UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return failed("create", temporary);
  const auto abandon = [&](Error error) {
    ::unlink(temporary.c_str());
    return std::unexpected(std::move(error));
  };
  const auto text =
      fmt::format("serin-rollback/1 {} {}\n{} {}\n{}", record.id, record.service,
                  word_of(record.task), hex(record.envelope), line_of(wall_us, record.first, {}));
  if (auto done = write_all(fd.get(), text, temporary.native()); !done)
    return abandon(done.error());
  if (auto done = reserve(fd.get(), temporary); !done) return abandon(done.error());
  if (::fsync(fd.get()) != 0) return abandon(failed("fsync", temporary).error());
  observer.reached("journal written");
  if (::rename(temporary.c_str(), file.c_str()) != 0)
    return abandon(failed("put in place", file).error());
  observer.reached("journal in place");
  auto synced = sync_folder(state_ / "pending");
  // Whoever hears of the error believes that nothing will be done: nothing may stand there then.
  if (!synced && ::unlink(file.c_str()) != 0 && errno != ENOENT) {
    log::error("{}: {}; it stands nevertheless", file.native(), synced.error().message);
    return {};
  }
  return synced;
}

Result<void> JournalFolder::bury(const NewRecord& record, int64_t wall_us,
                                 StepObserver& observer) const {
  if (auto made = create(record, wall_us, observer); !made) return made;
  const auto made = pending(record.service);
  if (!made) return std::unexpected(made.error());
  return *made ? retire(**made) : Result<void>();
}

Result<void> JournalFolder::retire(const Record& record) const {
  const auto from = pending_path(record.service);
  const auto to = done_path(record.id);
  // Gives back the reserved room. Where it cannot, the record is only larger than it need be.
  if (::truncate(from.c_str(), static_cast<off_t>(record.sound_bytes)) != 0)
    log::warning("{}", failed("cut to length", from).error().message);
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("move to done/", from);
  if (auto done = sync_folder(state_ / "done"); !done) return done;
  return sync_folder(state_ / "pending");
}

void JournalFolder::trim(int64_t wall_us) const {
  for (const Dated& each : newest_first(state_ / "done")) {
    if (wall_us - each.changed_us < kKeepDoneUs) continue;
    const auto record = read_record(each.file);
    if (!record || !*record || (*record)->task == HelperTask::dead_man) continue;
    const auto command = command_of(**record);
    if (command && command->not_after_us < wall_us) ::unlink(each.file.c_str());
  }
}

Result<std::optional<Journal>> Journal::take(const JournalFolder& folder,
                                             const std::string& service, const Clock& clock,
                                             StepObserver& observer) {
  const auto path = folder.pending_path(service);
  Journal journal(folder, clock, observer);
  journal.file_.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!journal.file_ && errno == ENOENT) return std::nullopt;
  if (!journal.file_) return failed("open", path);
  if (::flock(journal.file_.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  // The action that held it may have ended and moved it away between open and lock.
  struct stat ours {};
  struct stat now {};
  if (::fstat(journal.file_.get(), &ours) != 0) return failed("look at", path);
  if (::lstat(path.c_str(), &now) != 0 || now.st_ino != ours.st_ino) return std::nullopt;
  auto record = read_record(path);
  if (!record) return std::unexpected(record.error());
  if (!*record) return std::nullopt;
  journal.record_ = std::move(**record);
  const auto sound = static_cast<off_t>(journal.record_.sound_bytes);
  if (ours.st_size != sound) {
    if (::ftruncate(journal.file_.get(), sound) != 0) return failed("mend", path);
    // It was reserved before; without it we still try.
    if (auto room = reserve(journal.file_.get(), path); !room) {
      log::warning("{}", room.error().message);
    }
  }
  if (::lseek(journal.file_.get(), sound, SEEK_SET) != sound) return failed("mend", path);
  return std::optional(std::move(journal));
}

Result<void> Journal::append(std::string_view word, std::string_view text) {
  observer_->reached(fmt::format("before {}", word));
  const int64_t wall_us = clock_->wall_us();
  const std::string line = line_of(wall_us, word, text);
  const auto file = folder_.pending_path(record_.service);
  if (record_.sound_bytes + line.size() > kMostFileBytes) return fail("the journal is full");
  auto done = write_all(file_.get(), line, file.native());
  if (done && ::fdatasync(file_.get()) != 0) done = failed("sync", file);
  if (!done) {
    // Half a line must not become the beginning of the next one.
    const auto sound = static_cast<off_t>(record_.sound_bytes);
    if (::ftruncate(file_.get(), sound) == 0) ::lseek(file_.get(), sound, SEEK_SET);
    return done;
  }
  record_.sound_bytes += line.size();
  record_.entries.push_back(
      {wall_us, std::string(word), plain_text(text, limits::kStepReasonBytes)});
  observer_->reached(fmt::format("after {}", word));
  return {};
}

Result<void> Journal::retire() const {
  observer_->reached("before retiring");
  auto retired = folder_.retire(record_);
  observer_->reached("after retiring");
  return retired;
}

Result<void> Journal::discard() const {
  const auto file = folder_.pending_path(record_.service);
  if (::unlink(file.c_str()) != 0) return failed("remove", file);
  return sync_folder(file.parent_path());
}

}  // namespace serin::helper
