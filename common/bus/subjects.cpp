#include "common/bus/subjects.h"

#include <fmt/core.h>

#include <vector>

namespace serin::bus {
namespace {

std::vector<std::string_view> split(std::string_view subject) {
  std::vector<std::string_view> tokens;
  for (size_t begin = 0;;) {
    const size_t dot = subject.find('.', begin);
    tokens.push_back(subject.substr(begin, dot - begin));
    if (dot == std::string_view::npos) return tokens;
    begin = dot + 1;
  }
}

bool is_subject_service(std::string_view token) {
  return token == "_host" || is_service_name(token);
}

}  // namespace

std::string sample_subject(std::string_view service, std::string_view host) {
  return fmt::format("serin.sample.{}.{}", service, host_token(host));
}

std::string event_subject(std::string_view service, std::string_view host) {
  return fmt::format("serin.event.{}.{}", service, host_token(host));
}

std::string control_subject(std::string_view service) {
  return fmt::format("serin.control.{}", service);
}

std::string warmup_subject(std::string_view service) {
  return fmt::format("serin.control._warmup.{}", service);
}

std::string command_subject(std::string_view host, std::string_view service) {
  return fmt::format("serin.command.{}.{}", host_token(host), service);
}

std::string commands_of_host(std::string_view host) {
  return fmt::format("serin.command.{}.*", host_token(host));
}

std::string attention_subject(std::string_view service) {
  return fmt::format("serin.attention.{}", service);
}

std::string audit_subject(std::string_view service) {
  return fmt::format("serin.audit.{}", is_service_name(service) ? service : "_fleet");
}

std::string direct_get_subject(std::string_view stream, std::string_view subject) {
  return fmt::format("$JS.API.DIRECT.GET.{}.{}", stream, subject);
}

std::string agent_inbox_prefix(std::string_view host) {
  return fmt::format("_INBOX_{}", host_token(host));
}

Result<InputSubject> parse_input_subject(std::string_view subject) {
  const auto tokens = split(subject);
  const auto refused = [&] {
    return fail(fmt::format("{} is not a subject of the input stream", subject));
  };
  if (tokens.size() < 3 || tokens[0] != "serin") return refused();
  if (tokens[1] == "control" && tokens.size() == 3) {
    if (!is_service_name(tokens[2]) && tokens[2] != "_clock" && tokens[2] != "_policy")
      return refused();
    return InputSubject{InputKind::control, std::string(tokens[2]), {}};
  }
  if (tokens[1] == "control" && tokens.size() == 4 && tokens[2] == "_warmup" &&
      is_service_name(tokens[3])) {
    return InputSubject{InputKind::control, std::string(tokens[3]), {}};
  }
  const bool sample = tokens[1] == "sample";
  if ((!sample && tokens[1] != "event") || tokens.size() != 4 || !is_subject_service(tokens[2]))
    return refused();
  auto host = host_from_token(tokens[3]);
  if (!host) return std::unexpected(host.error());
  return InputSubject{sample ? InputKind::sample : InputKind::event, std::string(tokens[2]),
                      *std::move(host)};
}

std::string_view last_token(std::string_view subject) {
  return subject.substr(subject.rfind('.') + 1);
}

}  // namespace serin::bus
