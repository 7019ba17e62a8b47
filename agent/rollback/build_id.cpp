#include "agent/rollback/build_id.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "common/file.h"
#include "common/ids.h"

namespace serin::helper {
namespace {

constexpr size_t kMostHeaders = 128;  // real programs have about a dozen
constexpr size_t kMostNoteBytes = size_t{64} * 1024;
constexpr size_t kMostIdBytes = 64;  // SHA-1 gives 20

template <typename T>
bool read_at(int fd, uint64_t offset, T* into, size_t count) {
  const size_t size = sizeof(T) * count;
  if (offset > uint64_t{1} << 40) return false;
  return ::pread(fd, into, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

std::optional<std::string> id_in_notes(std::span<const uint8_t> notes) {
  const auto padded = [](uint32_t size) { return (uint64_t{size} + 3) & ~uint64_t{3}; };
  uint64_t at = 0;
  while (at + sizeof(Elf64_Nhdr) <= notes.size()) {
    Elf64_Nhdr note{};
    std::memcpy(&note, notes.data() + at, sizeof(note));
    const uint64_t name = at + sizeof(note);
    const uint64_t data = name + padded(note.n_namesz);
    const uint64_t next = data + padded(note.n_descsz);
    if (data + note.n_descsz > notes.size()) return std::nullopt;
    const bool gnu = note.n_namesz == 4 && std::memcmp(notes.data() + name, "GNU", 4) == 0;
    if (gnu && note.n_type == NT_GNU_BUILD_ID && note.n_descsz > 0 &&
        note.n_descsz <= kMostIdBytes) {
      return hex(notes.subspan(data, note.n_descsz));
    }
    at = next;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> build_id(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  Elf64_Ehdr header{};
  if (!fd || !read_at(fd.get(), 0, &header, 1)) return std::nullopt;
  const bool elf = std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
  if (!elf || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_phnum > kMostHeaders) {
    return std::nullopt;
  }
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (!read_at(fd.get(), header.e_phoff, segments.data(), segments.size())) return std::nullopt;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMostNoteBytes) continue;
    std::vector<uint8_t> notes(segment.p_filesz);
    if (!read_at(fd.get(), segment.p_offset, notes.data(), notes.size())) continue;
    if (auto id = id_in_notes(notes)) return id;
  }
  return std::nullopt;
}

}  // namespace serin::helper
