#pragma once

#include <string_view>

namespace serin::helper {

/// Told at every moment at which the helper or an action could die: before and after each line of
/// the journal and each act. A test ends the process there and checks what the next one makes of
/// it; the program uses it as it is.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void reached(std::string_view /*moment*/) {}
};

}  // namespace serin::helper
