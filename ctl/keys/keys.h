#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

namespace serin::ctl {

/// A signing key as people see it; the secret half stays in its file.
struct KeyFacts {
  std::string key_id;
  std::filesystem::path file, public_file;
  std::string public_pem;
};

/// Makes the aggregator's signing key: `file` (0600) and `file`.pub (0644). Never over existing
/// ones.
Result<KeyFacts> make_key(const std::filesystem::path& file);
Result<KeyFacts> look_at_key(const std::filesystem::path& file);

}  // namespace serin::ctl
