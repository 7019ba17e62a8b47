#pragma once

#include <string>
#include <string_view>

#include "agent/rollback/conditions.h"
#include "agent/rollback/journal.h"

namespace serin::helper {

inline HelperReply refused(Refusal refusal, std::string_view text) {
  return {.answer = HelperAnswer::refused, .refusal = refusal, .text = std::string(text)};
}
inline HelperReply refused(const Refused& why) {
  return refused(why.refusal, why.text);
}
/// The helper could not even look: nothing was done.
inline HelperReply not_possible(const Error& error) {
  return {.answer = HelperAnswer::failed, .text = error.message};
}
/// What was to be done, how far it is, and its steps.
HelperReply report(const Record& record);

}  // namespace serin::helper
