#pragma once

#include <uv.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "common/loop.h"

namespace serin::agent {

/// Says when something happened to one of a few names: made, replaced, written and closed, or
/// removed. Watches the folders that hold them by inotify, since a name that is replaced by rename
/// can be seen nowhere else. Only a hint: whoever needs certainty looks at each tick as well.
class NameWatch {
 public:
  using Changed = std::function<void()>;
  /// Fails where inotify is used up (fs.inotify.max_user_instances): the ticks then have to do.
  static Result<std::unique_ptr<NameWatch>> make(uv_loop_t* loop);

  /// `changed` is called on the loop. The folder may be absent for now.
  void add(const std::filesystem::path& file, Changed changed);
  /// Tries folders again that were not there, or went away. Cheap when there are none.
  void retry_absent();

 private:
  struct Name {
    std::filesystem::path folder;
    std::string name;
    Changed changed;
    int watch = -1;
  };
  explicit NameWatch(UniqueFd fd) : fd_(std::move(fd)) {}
  void read_events();
  void lost(int watch);

  UniqueFd fd_;
  std::optional<UvPoll> poll_;
  std::vector<Name> names_;
  bool some_absent_ = false;
};

}  // namespace serin::agent
