#include "command_generated.h"
#include "schema/check.h"
#include "schema/wire.h"
#include "schema/wire_buffer.h"
#include "signed_generated.h"

namespace serin::wire {
namespace {

Command read_command(const fbs::Command& from, Fields& faults) {
  Command command{.id = text(from.id(), "id", faults),
                  .revision = from.revision(),
                  .deploy = text(from.deploy(), "deploy", faults),
                  .host = text(from.host(), "host", faults),
                  .service = text(from.service(), "service", faults),
                  .kind = known<CommandKind>(from.kind(), fbs::CommandKind::MAX, "kind", faults),
                  .condemned = text(from.condemned(), "condemned", faults),
                  .target = text(from.target(), "target", faults),
                  .issued_us = from.issued_us(),
                  .not_after_us = from.not_after_us(),
                  .supersedes = text(from.supersedes(), "supersedes", faults),
                  .force = from.force()};
  if (const auto outcome = check(command); !outcome) faults.fault(outcome.error());
  return command;
}

SignedCommand read_signed(const fbs::Signed& from, Fields& faults) {
  SignedCommand command{.key_id = text(from.key_id(), "key_id", faults),
                        .payload = bytes(from.payload()),
                        .signature = bytes(from.signature())};
  if (const auto outcome = check(command); !outcome) faults.fault(outcome.error());
  return command;
}

}  // namespace

Bytes encode(const Command& command) {
  Builder builder(512);
  const auto id = put_always(builder, command.id);
  const auto deploy = put(builder, command.deploy);
  const auto host = put_always(builder, command.host);
  const auto service = put_always(builder, command.service);
  const auto condemned = put(builder, command.condemned);
  const auto target = put(builder, command.target);
  const auto supersedes = put(builder, command.supersedes);
  fbs::FinishCommandBuffer(
      builder,
      fbs::CreateCommand(builder, id, command.revision, deploy, host, service,
                         static_cast<fbs::CommandKind>(command.kind), condemned, target,
                         command.issued_us, command.not_after_us, supersedes, command.force));
  return finished(builder);
}

Bytes encode(const SignedCommand& command) {
  Builder builder(1024);
  const auto key = put_always(builder, command.key_id);
  const auto payload = builder.CreateVector(command.payload.data(), command.payload.size());
  const auto signature = builder.CreateVector(command.signature.data(), command.signature.size());
  fbs::FinishSignedBuffer(builder, fbs::CreateSigned(builder, key, payload, signature));
  return finished(builder);
}

Result<Command> decode_command(std::span<const uint8_t> bytes) {
  return decode<fbs::Command>(bytes, "command", fbs::CommandIdentifier(), kMaxCommandBytes,
                              read_command);
}

Result<SignedCommand> decode_signed(std::span<const uint8_t> bytes) {
  return decode<fbs::Signed>(bytes, "signed command", fbs::SignedIdentifier(), kMaxCommandBytes,
                             read_signed);
}

}  // namespace serin::wire
