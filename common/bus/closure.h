#pragma once

#include <cstdint>
#include <memory>

namespace serin::bus {

/// What cnats carries as `void* closure`: a number, not an address. cnats may call back after the
/// handle was destroyed (its delivery thread can be in the middle of a call), so a callback asks
/// target() whether anybody is still there. Thread-safe.
class Closure {
 public:
  template <typename T>
  explicit Closure(const std::shared_ptr<T>& target) : id_(enter(target)) {}
  ~Closure();
  Closure(const Closure&) = delete;
  Closure& operator=(const Closure&) = delete;

  [[nodiscard]] void* key() const {
    return reinterpret_cast<void*>(id_);  // NOLINT(performance-no-int-to-ptr): never followed
  }

  /// The target with the type it was entered with; null when it is gone.
  template <typename T>
  static std::shared_ptr<T> target(void* key) {
    return std::static_pointer_cast<T>(find(key));
  }

 private:
  static uintptr_t enter(std::weak_ptr<void> target);
  static std::shared_ptr<void> find(void* key);

  uintptr_t id_;
};

}  // namespace serin::bus
