#pragma once

#include <nats/nats.h>

#include <memory>
#include <string>

#include "common/ids.h"

// RAII over the C handles of cnats. Destroying from any thread is fine; using one from two threads
// is fine where cnats says so (connections and contexts are; messages are not).

namespace serin::bus {

template <auto destroy>
struct Destroyer {
  template <typename T>
  void operator()(T* handle) const {
    destroy(handle);
  }
};

using OptionsPtr = std::unique_ptr<natsOptions, Destroyer<natsOptions_Destroy>>;
using JetStreamPtr = std::unique_ptr<jsCtx, Destroyer<jsCtx_Destroy>>;
using SubscriptionPtr = std::unique_ptr<natsSubscription, Destroyer<natsSubscription_Destroy>>;
using MessagePtr = std::unique_ptr<natsMsg, Destroyer<natsMsg_Destroy>>;
using PubAckPtr = std::unique_ptr<jsPubAck, Destroyer<jsPubAck_Destroy>>;
using StreamInfoPtr = std::unique_ptr<jsStreamInfo, Destroyer<jsStreamInfo_Destroy>>;
using ConsumerInfoPtr = std::unique_ptr<jsConsumerInfo, Destroyer<jsConsumerInfo_Destroy>>;
using AccountInfoPtr = std::unique_ptr<jsAccountInfo, Destroyer<jsAccountInfo_Destroy>>;

inline std::span<const uint8_t> payload(natsMsg* message) {
  return {reinterpret_cast<const uint8_t*>(natsMsg_GetData(message)),
          static_cast<size_t>(natsMsg_GetDataLength(message))};
}

/// A header's value, or empty. `Status` is what the server sets instead of a payload (404, 408, 503
/// …).
inline std::string header(natsMsg* message, const char* key) {
  const char* value = nullptr;
  return natsMsgHeader_Get(message, key, &value) == NATS_OK && value != nullptr ? value : "";
}

/// cnats' own words for what just failed on this thread; the status' name when there are none.
std::string last_error_text(natsStatus status);

}  // namespace serin::bus
