#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/recorder/file.h"
#include "recorder/serin_recorder.h"

namespace serin::agent {

struct CloseRecorder {
  void operator()(serin_recorder* recorder) const { ::serin_recorder_close(recorder); }
};
using Recorder = std::unique_ptr<serin_recorder, CloseRecorder>;

inline Recorder open_recorder(const std::filesystem::path& folder,
                              std::vector<const char*> classes = {},
                              std::vector<const char*> counters = {}, unsigned shards = 0,
                              const char* service = "api") {
  classes.push_back(nullptr);
  counters.push_back(nullptr);
  serin_recorder_options options{.service = service,
                                 .folder = folder.c_str(),
                                 .classes = classes.data(),
                                 .counters = counters.data(),
                                 .shards = shards};
  return Recorder(::serin_recorder_open(&options));
}

inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

inline Result<std::optional<RecorderFile>> open_file(const std::filesystem::path& folder,
                                                     const std::string& name) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return RecorderFile::open(fd.get(), name);
}

/// The only file of a folder.
inline RecorderFile only_file(const std::filesystem::path& folder) {
  auto names = names_in(folder);
  EXPECT_EQ(names.size(), 1U);
  auto file = open_file(folder, names.at(0));
  EXPECT_TRUE(file && *file) << (file ? "no head" : file.error().message);
  return std::move(file->value());
}

inline std::vector<uint64_t> read(const RecorderFile& file) {
  std::vector<uint64_t> sums;
  auto got = file.read(sums);
  EXPECT_TRUE(got) << got.error().message;
  return sums;
}

/// Requests of an outcome, of any latency.
inline uint64_t requests_of(const RecorderFile& file, size_t outcome, size_t class_index = 0) {
  auto sums = read(file);
  uint64_t count = 0;
  for (size_t i = 0; i < RecorderHead::kColumns; ++i)
    count += sums[file.head().request_cell(class_index, outcome) + i];
  return count;
}

}  // namespace serin::agent
