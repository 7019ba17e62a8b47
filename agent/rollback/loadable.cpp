#include "agent/rollback/loadable.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "agent/rollback/link.h"
#include "agent/rollback/restart.h"

namespace serin::helper {
namespace {

constexpr size_t kMostSegments = 128;   // real programs have about a dozen
constexpr size_t kMostLineBytes = 256;  // as the kernel reads of a script's first line

template <typename T>
bool read_at(int fd, uint64_t offset, T* into, size_t count) {
  const size_t size = sizeof(T) * count;
  if (offset > uint64_t{1} << 40) return false;
  return ::pread(fd, into, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

/// What this very program was built for.
Elf64_Half own_machine() {
  const UniqueFd fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  Elf64_Ehdr header{};
  return fd && read_at(fd.get(), 0, &header, 1) ? header.e_machine : Elf64_Half{EM_NONE};
}

Result<void> check_interpreter(const std::string& path) {
  struct stat facts{};
  if (!path.starts_with('/')) return {};
  if (::stat(path.c_str(), &facts) != 0) {
    return fail(fmt::format("has an interpreter {}: {}", path, errno_text(errno)));
  }
  if (!S_ISREG(facts.st_mode) || (facts.st_mode & 0111) == 0) {
    return fail(fmt::format("has an interpreter {} that cannot be executed", path));
  }
  return {};
}

Result<void> check_segments(int fd, const Elf64_Ehdr& header, uint64_t file_bytes) {
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (!read_at(fd, header.e_phoff, segments.data(), segments.size())) return fail("is cut off");
  for (const auto& segment : segments) {
    if (segment.p_type != PT_LOAD && segment.p_type != PT_INTERP) continue;
    const bool inside =
        segment.p_offset <= file_bytes && segment.p_filesz <= file_bytes - segment.p_offset;
    if (!inside) return fail("is cut off");
    if (segment.p_type != PT_INTERP || segment.p_filesz > PATH_MAX) continue;
    std::string path(segment.p_filesz, '\0');
    if (!read_at(fd, segment.p_offset, path.data(), path.size())) return fail("is cut off");
    if (auto there = check_interpreter(path.c_str()); !there) return there;
  }
  return {};
}

Result<void> check_elf(int fd, uint64_t file_bytes) {
  Elf64_Ehdr header{};
  if (!read_at(fd, 0, &header, 1)) return fail("is cut off");
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return {};  // 32 bits: run by many a kernel
  static const Elf64_Half machine = own_machine();
  if (machine != EM_NONE && header.e_machine != machine) return fail("is for another machine");
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMostSegments) {
    return fail("has a damaged head");
  }
  return check_segments(fd, header, file_bytes);
}

/// `#! /usr/bin/python3 -u`: the first word.
Result<void> check_script(std::string_view line) {
  line = line.substr(2, line.find('\n') - 2);
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return fail("names no interpreter in its first line");
  line.remove_prefix(begin);
  return check_interpreter(std::string(line.substr(0, line.find_first_of(" \t\r"))));
}

Result<void> check_not_empty(int folder, const std::string& name) {
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = again < 0 ? nullptr : ::fdopendir(again);
  if (listing == nullptr) return fail(fmt::format("release {}: {}", name, errno_text(errno)));
  bool empty = true;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view file = entry->d_name;
    empty = empty && (file == "." || file == ".." || file == kIrreversibleMarker);
  }
  ::closedir(listing);
  if (empty) return fail(fmt::format("release {} is empty", name));
  return {};
}

struct Named {
  std::filesystem::path below;  ///< below the release
  bool program = false;
};

/// What a unit's properties name below the link: `path=` of its commands and every word of them.
std::vector<Named> named_below(const std::string& link, std::string_view properties) {
  std::vector<Named> found;
  const auto start = link + "/";
  for (size_t at = properties.find(start); at != std::string_view::npos;
       at = properties.find(start, at + 1)) {
    const auto before = properties.substr(0, at);
    const bool word = before.empty() || before.back() == ' ' || before.back() == '=';
    auto rest = properties.substr(at + start.size());
    rest = rest.substr(0, rest.find_first_of(" ;\n\""));
    const auto below = std::filesystem::path(rest).lexically_normal();
    const bool sound = word && !below.empty() && !below.is_absolute() && *below.begin() != "..";
    if (sound) found.push_back({below, before.ends_with("{ path=")});
  }
  return found;
}

/// Symlinks inside of a release are its own matter: what cannot be told from here passes.
Result<void> check_named(const Named& named, const Releases& releases, const ReleasePair& pair) {
  if (!releases.entry(pair.condemned, named.below)) return {};
  const auto there = releases.entry(pair.target, named.below);
  if (!there) return std::unexpected(there.error());
  if (!named.program) return {};
  const auto folder = releases.release(pair.target);
  if (!folder) return std::unexpected(folder.error());
  const auto file = open_beneath(folder->get(), named.below, O_RDONLY | O_NONBLOCK);
  const auto sound = file ? check_loadable(file->get()) : Result<void>(fail(file.error().message));
  if (sound) return {};
  return fail(
      fmt::format("release {}: {} {}", pair.target, named.below.native(), sound.error().message));
}

}  // namespace

Result<void> check_loadable(int fd) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) return fail(errno_text(errno));
  if (!S_ISREG(facts.st_mode)) return fail("is no regular file");
  if ((facts.st_mode & 0111) == 0) return fail("is not executable: chmod +x it");
  if (facts.st_size == 0) return fail("is empty");
  std::array<char, kMostLineBytes> start{};
  const ssize_t got = ::pread(fd, start.data(), start.size(), 0);
  const std::string_view text(start.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (text.starts_with(std::string_view(ELFMAG, SELFMAG))) {
    return check_elf(fd, static_cast<uint64_t>(facts.st_size));
  }
  return text.starts_with("#!") ? check_script(text) : Result<void>{};
}

Result<void> check_release_loadable(const ServiceFile::Rollback& entry,
                                    const std::filesystem::path& link, const Releases& releases,
                                    const ReleasePair& pair, const Settings& settings,
                                    const Clock& clock) {
  const auto folder = releases.release(pair.target);
  if (!folder) return std::unexpected(folder.error());
  if (auto full = check_not_empty(folder->get(), pair.target); !full) return full;
  const auto value = read_link(link, releases);
  if (!value) return std::unexpected(value.error());
  if (!value->rest.empty()) {
    if (const auto there = releases.entry(pair.target, value->rest); !there)
      return std::unexpected(there.error());
  }
  for (auto named : named_below(link.native(), unit_words(entry, settings, clock))) {
    named.below = value->rest.empty() ? named.below : value->rest / named.below;
    if (auto sound = check_named(named, releases, pair); !sound) return sound;
  }
  return {};
}

}  // namespace serin::helper
