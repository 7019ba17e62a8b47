#include "agent/rollback/owner.h"

#include <fmt/core.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace serin::helper {
namespace {

constexpr gid_t kNobodysGroup = 65534;  // of an owner without a name: no group of anybody's

gid_t group_of(uid_t user) {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(user, &entry, room.data(), room.size(), &found);
  return found == nullptr ? kNobodysGroup : entry.pw_gid;
}

}  // namespace

Result<AsOwner> AsOwner::begin(uid_t owner) {
  if (owner == ::geteuid()) return AsOwner(false);
  // Of this thread alone: glibc's setgroups would change all of them.
  if (::syscall(SYS_setgroups, 0, nullptr) != 0) {
    return fail(fmt::format("the rights of uid {} cannot be taken on", owner));
  }
  ::setfsgid(group_of(owner));
  ::setfsuid(owner);
  AsOwner taken(true);
  // They report no error: asking for nobody's id tells which one holds.
  if (::setfsuid(static_cast<uid_t>(-1)) != static_cast<int>(owner)) {
    return fail(fmt::format("the rights of uid {} cannot be taken on", owner));
  }
  return taken;
}

AsOwner::~AsOwner() {
  if (!changed_) return;
  ::setfsuid(::geteuid());
  ::setfsgid(::getegid());
}

AsOwner::AsOwner(AsOwner&& other) noexcept : changed_(std::exchange(other.changed_, false)) {}

}  // namespace serin::helper
