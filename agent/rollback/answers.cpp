#include "agent/rollback/answers.h"

#include <algorithm>

#include "schema/limits.h"

namespace serin::helper {
namespace {

std::vector<HelperStep> steps_of(const Record& record) {
  std::vector<HelperStep> steps;
  for (const JournalEntry& entry : record.entries) {
    if (is_step(entry.word)) steps.push_back({entry.word, entry.text, entry.wall_us});
  }
  const size_t excess = steps.size() - std::min(steps.size(), limits::kSteps);
  steps.erase(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(excess));
  return steps;
}

}  // namespace

HelperReply report(const Record& record) {
  HelperReply reply{.answer = HelperAnswer::in_progress,
                    .command = record.id,
                    .steps = steps_of(record),
                    .task = record.task};
  if (record.finished()) {
    reply.answer = record.failed() ? HelperAnswer::failed : HelperAnswer::done;
    reply.text = record.entries.back().text;
  }
  if (const auto command = command_of(record)) {
    reply.deploy = command->deploy;
    reply.condemned = command->condemned;
    reply.target = command->target;
  }
  return reply;
}

}  // namespace serin::helper
