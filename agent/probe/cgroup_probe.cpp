#include "agent/probe/cgroup_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "agent/probe/proc_parse.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
using Value = std::optional<uint64_t> CgroupReading::*;

std::optional<uint64_t> only_line(std::string_view text) {
  return parse_number(text.substr(0, text.find('\n')));
}

void take_cpu(std::string_view text, CgroupReading& reading) {
  if (auto us = parse_flat_keyed(text, "usage_usec")) reading.cpu_ns = *us * 1000;
  if (auto us = parse_flat_keyed(text, "throttled_usec")) reading.throttled_ns = *us * 1000;
}

void take_faults(std::optional<uint64_t> all, std::optional<uint64_t> major,
                 CgroupReading& reading) {
  if (all && major && *all >= *major) reading.minor_faults = *all - *major;
  reading.major_faults = major;
}

void take_memory(std::string_view text, CgroupReading& reading) {
  const auto anon = parse_flat_keyed(text, "anon"), mapped = parse_flat_keyed(text, "file_mapped");
  if (anon && mapped) reading.rss_bytes = *anon + *mapped;
  take_faults(parse_flat_keyed(text, "pgfault"), parse_flat_keyed(text, "pgmajfault"), reading);
}

/// The lines without `total_` leave out the groups below.
void take_memory_1(std::string_view text, CgroupReading& reading) {
  const auto anon = parse_flat_keyed(text, "total_rss"),
             mapped = parse_flat_keyed(text, "total_mapped_file");
  if (anon && mapped) reading.rss_bytes = *anon + *mapped;
  take_faults(parse_flat_keyed(text, "total_pgfault"), parse_flat_keyed(text, "total_pgmajfault"),
              reading);
}

void take_io(std::string_view text, CgroupReading& reading) {
  reading.read_bytes = parse_io_stat(text, "rbytes");
  reading.written_bytes = parse_io_stat(text, "wbytes");
}

template <Value value>
void take_line(std::string_view text, CgroupReading& reading) {
  reading.*value = only_line(text);
}

template <Value value>
void take_pressure(std::string_view text, CgroupReading& reading) {
  reading.*value = parse_pressure_us(text);
}

void take_kills(std::string_view text, CgroupReading& reading) {
  reading.oom_kills = parse_flat_keyed(text, "oom_kill");
}

void take_throttled_1(std::string_view text, CgroupReading& reading) {
  reading.throttled_ns = parse_flat_keyed(text, "throttled_time");
}

/// Newer kernels list a device and count nothing, so that none is not known to be none.
void take_reads_1(std::string_view text, CgroupReading& reading) {
  if (auto bytes = parse_blkio_reads(text); bytes > 0U) reading.read_bytes = bytes;
}

struct File {
  const char* name;
  void (*take)(std::string_view, CgroupReading&);
};
constexpr std::array kVersion2 = {
    File{"cpu.stat", take_cpu},
    File{"memory.stat", take_memory},
    File{"memory.current", take_line<&CgroupReading::memory_bytes>},
    File{"memory.events", take_kills},
    File{"pids.current", take_line<&CgroupReading::threads>},
    File{"io.stat", take_io},
    File{"cpu.pressure", take_pressure<&CgroupReading::cpu_pressure_us>},
    File{"memory.pressure", take_pressure<&CgroupReading::memory_pressure_us>},
    File{"io.pressure", take_pressure<&CgroupReading::io_pressure_us>}};

struct File1 {
  const char* controller;
  std::array<const char*, 2> names;  ///< the first that is there
  Value gives;
  void (*take)(std::string_view, CgroupReading&);
};
constexpr std::array kVersion1 = {
    File1{"cpuacct", {"cpuacct.usage"}, &CgroupReading::cpu_ns, take_line<&CgroupReading::cpu_ns>},
    File1{"cpu", {"cpu.stat"}, &CgroupReading::throttled_ns, take_throttled_1},
    File1{"memory", {"memory.stat"}, &CgroupReading::rss_bytes, take_memory_1},
    File1{"memory",
          {"memory.usage_in_bytes"},
          &CgroupReading::memory_bytes,
          take_line<&CgroupReading::memory_bytes>},
    File1{"memory", {"memory.oom_control"}, &CgroupReading::oom_kills, take_kills},
    File1{"pids", {"pids.current"}, &CgroupReading::threads, take_line<&CgroupReading::threads>},
    File1{"blkio",
          {"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"},
          &CgroupReading::read_bytes,
          take_reads_1}};

struct Lack {
  Value value;
  const char* metric;
  const char* reason;
};
constexpr std::array kLacks = {
    Lack{&CgroupReading::memory_bytes, "memory_bytes",
         "no memory controller counts for the unit (MemoryAccounting=yes)"},
    Lack{&CgroupReading::oom_kills, "oom_kills",
         "no memory controller counts for the unit (MemoryAccounting=yes)"},
    Lack{&CgroupReading::throttled_ns, "throttled_seconds",
         "no CPU controller for the unit: it has no quota of its own"},
    Lack{&CgroupReading::cpu_pressure_us, "pressure",
         "not counted for the unit: version 1 only, an old kernel, or psi=0"}};

}  // namespace

CgroupProbe::CgroupProbe(const CgroupFolders& folders) {
  for (const auto& file : kVersion2) open(folders.main / file.name, file.take);
  const CgroupReading known = read().value_or(CgroupReading{});
  if (!folders.controllers.empty()) open_version_1(folders, known);
  note_absent(read().value_or(CgroupReading{}));
}

bool CgroupProbe::open(const fs::path& file, Take taking) {
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  sources_.push_back({.file = std::move(fd), .take = taking});
  return true;
}

void CgroupProbe::open_version_1(const CgroupFolders& folders, const CgroupReading& known) {
  for (const auto& file : kVersion1) {
    if (known.*file.gives) continue;
    for (const char* name : file.names)
      if (name != nullptr && open(folders.of(file.controller) / name, file.take)) break;
  }
}

void CgroupProbe::note_absent(const CgroupReading& first) {
  for (const auto& lack : kLacks)
    if (!(first.*lack.value))
      absent_.push_back({.metric = std::string(lack.metric), .reason = std::string(lack.reason)});
}

bool CgroupProbe::read_source(const Source& source, CgroupReading& reading) {
  const ssize_t got = ::pread(source.file.get(), buffer_.data(), buffer_.size(), 0);
  if (got < 0) return false;
  const auto size = static_cast<size_t>(got);
  if (size < buffer_.size()) source.take(std::string_view(buffer_.data(), size), reading);
  return true;
}

std::optional<CgroupReading> CgroupProbe::read() {
  CgroupReading reading;
  const bool had_some = !sources_.empty();
  // ENODEV: the controller was turned off, or the group is gone with all its files; EOPNOTSUPP:
  // psi=0 on older kernels. Both last: no second question each second.
  std::erase_if(sources_, [&](const Source& source) { return !read_source(source, reading); });
  if (had_some && sources_.empty()) return std::nullopt;
  return reading;
}

}  // namespace serin::agent
