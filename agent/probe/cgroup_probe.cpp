#include "agent/probe/cgroup_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/probe/proc_parse.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr std::array<const char*, 4> kNames = {"cpu.stat", "memory.stat", "pids.current",
                                               "io.stat"};
constexpr size_t kMaxProcsBytes = size_t{64} * 1024;
constexpr int kMaxDepth = 4;  // units that divide themselves further are rare

/// Calls back with each line.
template <typename Each>
void each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void collect(const fs::path& folder, size_t most, int depth, std::vector<int32_t>& pids) {
  auto text = read_file(folder / "cgroup.procs", kMaxProcsBytes);
  if (!text) return;
  each_line(*text, [&](std::string_view line) {
    auto pid = parse_number(line);
    if (pid && pids.size() < most) pids.push_back(static_cast<int32_t>(*pid));
  });
  if (depth == 0) return;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(error)) collect(it->path(), most, depth - 1, pids);
}

}  // namespace

CgroupRoots CgroupRoots::of_this_machine(const fs::path& mounts) {
  CgroupRoots roots;
  std::error_code error;
  for (const auto& folder : {mounts, mounts / "unified", mounts / "systemd"})
    if (fs::exists(folder / "cgroup.procs", error)) roots.folders.push_back(folder);
  return roots;
}

fs::path cgroup_folder(const CgroupRoots& roots, const std::string& name) {
  if (name.empty() || name == "/") return {};
  std::error_code error;
  for (const auto& root : roots.folders) {
    fs::path folder = root / fs::path(name).relative_path();
    if (fs::is_directory(folder, error)) return folder;
  }
  return {};
}

std::vector<int32_t> cgroup_processes(const fs::path& folder, size_t most) {
  std::vector<int32_t> pids;
  if (!folder.empty()) collect(folder, most, kMaxDepth, pids);
  return pids;
}

std::optional<uint64_t> parse_flat_keyed(std::string_view text, std::string_view key) {
  std::optional<uint64_t> value;
  each_line(text, [&](std::string_view line) {
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      value = parse_number(line.substr(key.size() + 1));
  });
  return value;
}

std::optional<uint64_t> parse_nested_sum(std::string_view text, std::string_view key) {
  std::optional<uint64_t> sum;
  each_line(text, [&](std::string_view line) {
    for (size_t at = line.find(' '); at != std::string_view::npos; at = line.find(' ', at + 1)) {
      std::string_view rest = line.substr(at + 1);
      if (!rest.starts_with(key) || rest.size() <= key.size() || rest[key.size()] != '=') continue;
      rest.remove_prefix(key.size() + 1);
      if (auto value = parse_number(rest.substr(0, rest.find(' ')))) sum = sum.value_or(0) + *value;
    }
  });
  return sum;
}

CgroupProbe::CgroupProbe(const fs::path& folder) {
  for (int file = 0; file < kFileCount; ++file)
    files_[file].reset(::open((folder / kNames[file]).c_str(), O_RDONLY | O_CLOEXEC));
}

std::optional<std::string_view> CgroupProbe::text_of(File file) {
  if (!files_[file]) return std::nullopt;
  ssize_t got = ::pread(files_[file].get(), buffer_.data(), buffer_.size(), 0);
  if (got < 0) return std::nullopt;
  return std::string_view(buffer_.data(), static_cast<size_t>(got));
}

CgroupReading CgroupProbe::read() {
  CgroupReading reading;
  if (auto text = text_of(kCpu))
    if (auto us = parse_flat_keyed(*text, "usage_usec")) reading.cpu_ns = *us * 1000;
  if (auto text = text_of(kMemory)) {
    auto anon = parse_flat_keyed(*text, "anon"), mapped = parse_flat_keyed(*text, "file_mapped");
    if (anon && mapped) reading.rss_bytes = *anon + *mapped;
    auto faults = parse_flat_keyed(*text, "pgfault"), major = parse_flat_keyed(*text, "pgmajfault");
    if (faults && major && *faults >= *major) reading.minor_faults = *faults - *major;
    reading.major_faults = major;
  }
  if (auto text = text_of(kPids)) reading.threads = parse_number(text->substr(0, text->find('\n')));
  if (auto text = text_of(kIo)) {
    // An empty file: the controller is there, nothing was read or written yet.
    reading.read_bytes = text->empty() ? uint64_t{0} : parse_nested_sum(*text, "rbytes");
    reading.written_bytes = text->empty() ? uint64_t{0} : parse_nested_sum(*text, "wbytes");
  }
  return reading;
}

}  // namespace serin::agent
