#pragma once

#include <functional>
#include <string>
#include <variant>

#include "aggregator/bus/bus.h"
#include "common/bus/loop_queue.h"

namespace serin::aggregator {

// What the reader's and the sender's thread hand to the loop.

struct AuditMail {
  Decision decision;
};
struct AuditEndMail {};
struct CaughtUpMail {};
struct LinkMail {
  bool connected = false;
  std::string detail;
};
struct StoreLostMail {
  std::string detail;
};
struct PublishedMail {
  Bus::Done done;
  Result<void> result;
};
struct EndedMail {};

using Mail = std::variant<EndedMail, AuditMail, AuditEndMail, core::Input, Bus::Unreadable,
                          CaughtUpMail, LinkMail, StoreLostMail, PublishedMail>;
using MailQueue = bus::LoopQueue<Mail>;

}  // namespace serin::aggregator
