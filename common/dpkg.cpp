#include "common/dpkg.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "common/file.h"

namespace serin {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostStatusBytes = size_t{64} * 1024 * 1024;  // a desktop's is about 5 MB
constexpr size_t kMostNameBytes = 128;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_made_of(std::string_view text, std::string_view further) {
  return !text.empty() && text.size() <= kMostNameBytes && is_alphanumeric(text.front()) &&
         std::ranges::all_of(text, [&](char c) {
           return is_alphanumeric(c) || further.find(c) != std::string_view::npos;
         });
}

/// The value of a field of a paragraph that begins with "Package: …\n".
std::string_view field(std::string_view paragraph, std::string_view name) {
  const auto wanted = fmt::format("\n{}: ", name);
  const size_t at = paragraph.find(wanted);
  if (at == std::string_view::npos) return {};
  const auto value = paragraph.substr(at + wanted.size());
  return value.substr(0, value.find('\n'));
}

/// The paragraph of one package in a file of dpkg's; empty when there is none.
std::string_view paragraph_of(std::string_view text, std::string_view name) {
  const auto head = fmt::format("Package: {}\n", name);
  for (size_t at = text.find(head); at != std::string_view::npos; at = text.find(head, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    const auto paragraph = text.substr(at);
    return paragraph.substr(0, paragraph.find("\n\n"));
  }
  return {};
}

/// Takes over what a paragraph says. Its Status is "install ok installed": what is wanted, a flag,
/// the state.
void apply(std::string_view paragraph, DpkgPackage& package) {
  if (paragraph.empty()) return;
  const auto status = field(paragraph, "Status");
  const size_t last = status.rfind(' ');
  package.state = status.substr(last == std::string_view::npos ? 0 : last + 1);
  package.version = field(paragraph, "Version");
  package.architecture = field(paragraph, "Architecture");
}

/// The files of a run that has not been written into `status` yet, in their order.
std::vector<fs::path> updates_of(const fs::path& dpkg) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(dpkg / "updates", error), end; !error && at != end;
       at.increment(error)) {
    const auto name = at->path().filename().native();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; }))
      files.push_back(at->path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

bool is_package_name(std::string_view name) {
  return is_made_of(name, "+._-");
}

bool is_package_version(std::string_view version) {
  return is_made_of(version, ".+:~^_-");
}

fs::path dpkg_list(std::string_view name, const fs::path& dpkg) {
  const auto info = dpkg / "info";
  std::error_code error;
  auto plain = info / fmt::format("{}.list", name);
  if (fs::exists(plain, error)) return plain;
  const auto start = fmt::format("{}:", name);
  for (fs::directory_iterator at(info, error), end; !error && at != end; at.increment(error)) {
    const auto file = at->path().filename().native();
    if (file.starts_with(start) && file.ends_with(".list")) return at->path();
  }
  return {};
}

Result<std::optional<DpkgPackage>> dpkg_package(std::string_view name, const fs::path& dpkg) {
  struct stat facts{};
  DpkgPackage package;
  package.list = dpkg_list(name, dpkg);
  if (package.list.empty() || ::stat(package.list.c_str(), &facts) != 0) return std::nullopt;
  package.changed_us = int64_t{facts.st_ctim.tv_sec} * 1'000'000 + facts.st_ctim.tv_nsec / 1000;
  // Newest last: dpkg writes what it does into updates/ and, at the end, everything into status.
  auto files = updates_of(dpkg);
  files.insert(files.begin(), dpkg / "status");
  for (const auto& file : files) {
    const auto text = read_file(file, kMostStatusBytes);
    if (text)
      apply(paragraph_of(*text, name), package);
    else if (file.filename() == "status")
      return std::unexpected(text.error());
  }
  const bool there = !package.version.empty() && package.state != "config-files" &&
                     package.state != "not-installed";
  if (!there) return std::nullopt;
  return package;
}

}  // namespace serin
