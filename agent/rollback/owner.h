#pragma once

#include <sys/types.h>

#include <filesystem>

#include "common/error.h"

namespace serin::helper {

/// Until it ends, this thread meets files with the rights of another user alone (its own group,
/// none further): what root opens, makes or renames meanwhile is what that user could. Only root
/// can; for the helper's own user nothing changes.
class AsOwner {
 public:
  static Result<AsOwner> begin(uid_t owner);
  ~AsOwner();
  AsOwner(AsOwner&& other) noexcept;
  AsOwner& operator=(AsOwner&&) = delete;

 private:
  explicit AsOwner(bool changed) : changed_(changed) {}
  bool changed_;
};

}  // namespace serin::helper
