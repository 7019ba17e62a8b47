#include "agent/rollback/link.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <optional>

#include "common/ids.h"

namespace serin::helper {
namespace {

constexpr std::string_view kTemporaryPrefix = ".serin-";

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// The link and the descriptor of its folder, so that what is looked at is what is replaced.
struct OpenLink {
  UniqueFd folder;
  std::string name;
  struct stat facts{};
  std::filesystem::path text;
};

std::optional<std::string> text_of(int folder, const std::string& name) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = ::readlinkat(folder, name.c_str(), text.data(), text.size());
  if (size < 0) return std::nullopt;
  return std::string(text.data(), static_cast<size_t>(size));
}

Result<OpenLink> open_link(const std::filesystem::path& link) {
  OpenLink opened;
  opened.name = link.filename().native();
  opened.folder.reset(::open(link.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.folder) {
    return fail(fmt::format("the folder of {}: {}", link.native(), errno_text(errno)));
  }
  if (::fstatat(opened.folder.get(), opened.name.c_str(), &opened.facts, AT_SYMLINK_NOFOLLOW) !=
      0) {
    return fail(fmt::format("{}: {}", link.native(), errno_text(errno)));
  }
  if (!S_ISLNK(opened.facts.st_mode))
    return fail(fmt::format("{} is not a symlink", link.native()));
  const auto text = text_of(opened.folder.get(), opened.name);
  if (!text) return fail(fmt::format("{}: {}", link.native(), errno_text(errno)));
  opened.text = *text;
  return opened;
}

/// Splits the link's text where its beginning names the releases folder. The release itself may be
/// gone.
Result<LinkValue> split(const OpenLink& link, const Releases& releases) {
  struct stat wanted{};
  if (::stat(releases.real_path().c_str(), &wanted) != 0) {
    return fail(fmt::format("{}: {}", releases.real_path().native(), errno_text(errno)));
  }
  LinkValue value;
  for (auto part = link.text.begin(); part != link.text.end(); ++part) {
    struct stat here{};
    const char* prefix = value.prefix.empty() ? "." : value.prefix.c_str();
    if (::fstatat(link.folder.get(), prefix, &here, 0) != 0) break;
    if (same_file(here, wanted) && is_release_name(part->native())) {
      value.release = part->native();
      while (++part != link.text.end()) value.rest /= *part;
      value.changed_us =
          int64_t{link.facts.st_ctim.tv_sec} * 1'000'000 + link.facts.st_ctim.tv_nsec / 1000;
      return value;
    }
    value.prefix /= *part;
  }
  return fail(fmt::format("the link {} -> {} does not point below {}", link.name,
                          link.text.native(), releases.real_path().native()));
}

}  // namespace

Result<LinkValue> read_link(const std::filesystem::path& link, const Releases& releases) {
  const auto opened = open_link(link);
  if (!opened) return std::unexpected(opened.error());
  return split(*opened, releases);
}

std::string temporary_link_name() {
  std::array<uint8_t, 8> random{};
  SERIN_VERIFY(::getrandom(random.data(), random.size(), 0) == ssize_t{random.size()});
  return std::string(kTemporaryPrefix) + hex(random);
}

bool is_temporary_name(std::string_view name) {
  return name.starts_with(kTemporaryPrefix) && name.find('/') == std::string_view::npos;
}

Result<void> switch_link(const std::filesystem::path& link, const Releases& releases,
                         const ReleaseSwitch& change, const std::string& temporary) {
  const auto opened = open_link(link);
  if (!opened) return std::unexpected(opened.error());
  const auto value = split(*opened, releases);
  if (!value) return std::unexpected(value.error());
  const auto& target = change.target;
  const auto somebody = [&] {
    return fail(fmt::format("{} does not point to {} any more: somebody else changed it",
                            link.native(), change.condemned));
  };
  if (value->release != change.condemned) return somebody();
  const auto there =
      value->rest.empty() ? releases.release(target) : releases.entry(target, value->rest);
  if (!there) return std::unexpected(there.error());

  auto text = value->prefix / target;
  if (!value->rest.empty()) text /= value->rest;
  const int folder = opened->folder.get();
  const auto failed = [&](std::string_view what) {
    const int error = errno;
    ::unlinkat(folder, temporary.c_str(), 0);
    return fail(fmt::format("cannot {} {}: {}", what, link.native(), errno_text(error)));
  };
  if (::symlinkat(text.c_str(), folder, temporary.c_str()) != 0)
    return failed("make a link beside");
  const auto& facts = opened->facts;
  const bool ours = facts.st_uid == ::geteuid() && facts.st_gid == ::getegid();
  if (!ours) {
    if (auto given = give_link(folder, temporary, facts.st_uid, facts.st_gid); !given) {
      ::unlinkat(folder, temporary.c_str(), 0);
      return given;
    }
  }
  // A deploy may have gone on while we prepared: its release must not be taken back.
  if (text_of(folder, opened->name) != opened->text.native()) {
    ::unlinkat(folder, temporary.c_str(), 0);
    return somebody();
  }
  if (::renameat(folder, temporary.c_str(), folder, opened->name.c_str()) != 0) {
    return failed("replace");
  }
  if (::fsync(folder) != 0) return failed("fsync the folder of");
  return {};
}

Result<void> give_link(int folder, const std::string& name, uid_t uid, gid_t gid) {
  const UniqueFd link(::openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat facts{};
  if (!link || ::fstat(link.get(), &facts) != 0) {
    return fail(fmt::format("the new link {}: {}", name, errno_text(errno)));
  }
  if (!S_ISLNK(facts.st_mode) || facts.st_uid != ::geteuid() || facts.st_nlink != 1) {
    return fail(fmt::format("the new link {} was replaced by somebody else", name));
  }
  if (::fchownat(link.get(), "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    return fail(fmt::format("cannot keep the owner of the link in {}: {}", name, errno_text(errno)));
  }
  return {};
}

void remove_temporary(const std::filesystem::path& link, const std::string& temporary) {
  if (!is_temporary_name(temporary)) return;
  struct stat facts{};
  const auto path = link.parent_path() / temporary;
  if (::lstat(path.c_str(), &facts) == 0 && S_ISLNK(facts.st_mode)) ::unlink(path.c_str());
}

}  // namespace serin::helper
