#include "agent/rollback/flag.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/rollback/json_span.h"
#include "agent/rollback/link.h"
#include "agent/rollback/owner.h"
#include "agent/rollback/releases.h"
#include "agent/rollback/room.h"
#include "agent/rollback/trust.h"
#include "common/file.h"

namespace serin::helper {
namespace {

constexpr size_t kMostFileBytes = size_t{1024} * 1024;  // a flag file is a few KiB
constexpr size_t kReserveBytes = size_t{64} * 1024;     // beside the new file
constexpr const char* kDisabled = "DISABLED";

std::unexpected<Error> failed(const ServiceFile::Flag& flag, std::string_view what) {
  return fail(fmt::format("{}: {}", flag.file.native(), what));
}

/// The file as it stands, and the folder through which it is replaced.
struct FlagFile {
  UniqueFd folder;
  uid_t writer = 0;  ///< with whose rights
  struct stat facts{};
  std::string text;
};

/// The folder of the file, and with whose rights it is written there: our own where nobody else can
/// change the way to it, else those of the file's owner, and then no symlink may lead there.
Result<FlagFile> find_flag_file(const ServiceFile::Flag& flag) {
  FlagFile file;
  const auto folder = flag.file.parent_path();
  const auto way = check_owned_way(folder);
  if (way) {
    file.folder.reset(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    file.writer = ::geteuid();
    if (!file.folder) return failed(flag, errno_text(errno));
    return file;
  }
  const UniqueFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto opened = open_beneath(root.get(), folder.relative_path(), O_RDONLY | O_DIRECTORY);
  if (!opened) return failed(flag, "its folder " + opened.error().message);
  file.folder = std::move(*opened);
  struct stat facts{};
  if (::fstatat(file.folder.get(), flag.file.filename().c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0)
    return failed(flag, errno_text(errno));
  if (facts.st_uid == 0) {
    return failed(flag, fmt::format("is root's, but others may put another file there: {}",
                                    way.error().message));
  }
  file.writer = facts.st_uid;
  return file;
}

/// Reads it through its folder: no symlink, no second name, nothing but a regular file.
Result<void> read_flag_file(const ServiceFile::Flag& flag, FlagFile& file) {
  const UniqueFd fd(::openat(file.folder.get(), flag.file.filename().c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ELOOP) return failed(flag, "is a symlink: name the file itself");
  if (!fd || ::fstat(fd.get(), &file.facts) != 0) return failed(flag, errno_text(errno));
  if (!S_ISREG(file.facts.st_mode)) return failed(flag, "is no regular file");
  if (file.facts.st_nlink != 1) return failed(flag, "has a second name (hard link)");
  if (file.writer != ::geteuid() && file.facts.st_uid != file.writer)
    return failed(flag, "changed its owner meanwhile");
  auto text = read_all(fd.get(), kMostFileBytes, flag.file.native());
  if (!text) return std::unexpected(text.error());
  file.text = std::move(*text);
  return {};
}

Result<FlagFile> look_at_flag_file(const ServiceFile::Flag& flag) {
  auto file = find_flag_file(flag);
  if (!file) return file;
  if (auto read = read_flag_file(flag, *file); !read) return std::unexpected(read.error());
  return file;
}

/// The flag's own object, once the whole file is known to be JSON.
Result<nlohmann::json> find_flag(const ServiceFile::Flag& flag, const std::string& text) {
  const auto whole = nlohmann::json::parse(text, nullptr, false);
  if (whole.is_discarded()) return failed(flag, "is no JSON");
  const auto none = nlohmann::json();
  const auto flags = whole.is_object() ? whole.value("flags", none) : none;
  const auto found = flags.is_object() ? flags.value(flag.name, none) : none;
  if (!found.is_object()) return failed(flag, fmt::format("holds no flag \"{}\"", flag.name));
  return found;
}

std::string word_of(const nlohmann::json& found, const char* key) {
  const auto value = found.value(key, nlohmann::json());
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool is_off(const ServiceFile::Flag& flag, const nlohmann::json& found) {
  if (word_of(found, "state") == kDisabled) return true;
  return !flag.variant.empty() && word_of(found, "defaultVariant") == flag.variant;
}

/// Whether setting it would turn it off for everybody.
Result<void> check_means(const ServiceFile::Flag& flag, const nlohmann::json& found) {
  if (flag.variant.empty()) return {};
  const auto variants = found.value("variants", nlohmann::json());
  if (!variants.is_object() || !variants.contains(flag.variant)) {
    return failed(flag, fmt::format("flag \"{}\" has no variant \"{}\"", flag.name, flag.variant));
  }
  const auto targeting = found.value("targeting", nlohmann::json());
  if (!targeting.is_null() && !targeting.empty()) {
    return failed(flag, fmt::format("flag \"{}\" has targeting rules, which would choose past its "
                                    "default variant: configure state = \"DISABLED\" instead",
                                    flag.name));
  }
  return {};
}

/// The text with the one value replaced.
Result<std::string> turned_off(const ServiceFile::Flag& flag, const std::string& text) {
  const char* key = flag.variant.empty() ? "state" : "defaultVariant";
  const auto value = nlohmann::json(flag.variant.empty() ? kDisabled : flag.variant).dump();
  const auto flags = json_member(text, json_start(text), "flags");
  const auto found = flags ? json_member(text, flags->begin, flag.name) : std::nullopt;
  if (!found) return failed(flag, fmt::format("holds no flag \"{}\"", flag.name));
  auto changed = text;
  if (const auto old = json_member(text, found->begin, key)) {
    changed.replace(old->begin, old->end - old->begin, value);
  } else {
    const bool empty = text[json_start(text, found->begin + 1)] == '}';
    changed.insert(found->begin + 1, fmt::format("\"{}\": {}{}", key, value, empty ? "" : ", "));
  }
  const auto again = find_flag(flag, changed);
  if (!again || !is_off(flag, *again)) return failed(flag, "cannot be edited: it would not be off");
  return changed;
}

/// A new file beside the old one, with its owner, group and mode.
Result<void> write_beside(const FlagFile& file, const std::string& temporary,
                          const std::string& text) {
  UniqueFd fd;
  {
    const auto rights = AsOwner::begin(file.writer);
    if (!rights) return std::unexpected(rights.error());
    fd.reset(::openat(file.folder.get(), temporary.c_str(),
                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return fail("cannot make a file beside it: " + errno_text(errno));
  }
  if (auto written = write_all(fd.get(), text, temporary); !written) return written;
  struct stat ours{};
  const bool same = ::fstat(fd.get(), &ours) == 0 && ours.st_uid == file.facts.st_uid &&
                    ours.st_gid == file.facts.st_gid;
  if (!same && ::fchown(fd.get(), file.facts.st_uid, file.facts.st_gid) != 0)
    return fail("cannot keep its owner: " + errno_text(errno));
  if (::fchmod(fd.get(), file.facts.st_mode & 0777) != 0 || ::fsync(fd.get()) != 0)
    return fail(errno_text(errno));
  return {};
}

Result<void> put_in_place(const FlagFile& file, const std::string& name,
                          const std::string& temporary) {
  const auto rights = AsOwner::begin(file.writer);
  if (!rights) return std::unexpected(rights.error());
  struct stat now{};
  const bool same = ::fstatat(file.folder.get(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
                    now.st_ino == file.facts.st_ino &&
                    now.st_mtim.tv_sec == file.facts.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == file.facts.st_mtim.tv_nsec;
  if (!same) return fail("somebody else changed it meanwhile");
  if (::renameat(file.folder.get(), temporary.c_str(), file.folder.get(), name.c_str()) != 0 ||
      ::fsync(file.folder.get()) != 0) {
    return fail("cannot be replaced: " + errno_text(errno));
  }
  return {};
}

}  // namespace

Result<void> check_flag(const ServiceFile::Flag& flag) {
  const auto file = look_at_flag_file(flag);
  if (!file) return std::unexpected(file.error());
  const auto found = find_flag(flag, file->text);
  if (!found) return std::unexpected(found.error());
  if (is_off(flag, *found))
    return failed(flag, fmt::format("flag \"{}\" is off already", flag.name));
  if (auto means = check_means(flag, *found); !means) return means;
  return check_room(flag.file.parent_path(), 2 * file->text.size() + kReserveBytes);
}

Result<bool> flag_is_off(const ServiceFile::Flag& flag) {
  const auto file = look_at_flag_file(flag);
  if (!file) return std::unexpected(file.error());
  const auto found = find_flag(flag, file->text);
  if (!found) return std::unexpected(found.error());
  return is_off(flag, *found);
}

Result<void> turn_flag_off(const ServiceFile::Flag& flag, const std::string& temporary) {
  auto file = find_flag_file(flag);
  if (!file) return std::unexpected(file.error());
  {
    const auto rights = AsOwner::begin(file->writer);
    if (!rights) return std::unexpected(rights.error());
    if (auto read = read_flag_file(flag, *file); !read) return read;
  }
  const auto found = find_flag(flag, file->text);
  if (!found) return std::unexpected(found.error());
  if (is_off(flag, *found)) return {};
  if (auto means = check_means(flag, *found); !means) return means;
  const auto text = turned_off(flag, file->text);
  if (!text) return std::unexpected(text.error());
  auto done = write_beside(*file, temporary, *text);
  if (done) done = put_in_place(*file, flag.file.filename().native(), temporary);
  if (done) return {};
  remove_flag_temporary(flag, temporary);
  return failed(flag, done.error().message);
}

void remove_flag_temporary(const ServiceFile::Flag& flag, const std::string& temporary) {
  if (!is_temporary_name(temporary)) return;
  const auto file = find_flag_file(flag);
  if (!file) return;
  const auto rights = AsOwner::begin(file->writer);
  if (rights) ::unlinkat(file->folder.get(), temporary.c_str(), 0);
}

std::string name_of(const ServiceFile::Flag& flag) {
  return fmt::format("flag {} in {}", flag.name, flag.file.native());
}

}  // namespace serin::helper
