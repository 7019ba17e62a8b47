#include "common/bus/closure.h"

#include <mutex>
#include <unordered_map>

namespace serin::bus {
namespace {

struct Registry {
  std::mutex mutex;
  uintptr_t next = 1;
  std::unordered_map<uintptr_t, std::weak_ptr<void>> targets;
};

// Never destroyed: threads of cnats outlive main().
Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

}  // namespace

uintptr_t Closure::enter(std::weak_ptr<void> target) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const uintptr_t id = all.next++;
  all.targets.emplace(id, std::move(target));
  return id;
}

std::shared_ptr<void> Closure::find(void* key) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto found = all.targets.find(reinterpret_cast<uintptr_t>(key));
  return found == all.targets.end() ? nullptr : found->second.lock();
}

Closure::~Closure() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.targets.erase(id_);
}

}  // namespace serin::bus
