#include "tests/support/rollback/host.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "agent/rollback/health.h"
#include "agent/rollback/process.h"
#include "agent/rollback/program.h"
#include "schema/wire.h"

namespace serin::helper {
namespace {

namespace fs = std::filesystem;

int free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SERIN_VERIFY(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  socklen_t size = sizeof(address);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

SigningKey make_key(const fs::path& keys) {
  auto key = SigningKey::generate();
  SERIN_VERIFY(key.has_value());
  write_text(keys / "fleet.pub", key->public_pem());
  return std::move(*key);
}

fs::path make_root() {
  std::string name = (fs::temp_directory_path() / "serin-host-XXXXXX").native();
  SERIN_VERIFY(::mkdtemp(name.data()) != nullptr);
  ::chmod(name.c_str(), 0755);
  for (const char* folder : {"services.d", "keys", "state", "hold", "releases"}) {
    ::mkdir((fs::path(name) / folder).c_str(), 0755);
  }
  return fs::canonical(name);
}

}  // namespace

bool eventually(const std::function<bool()>& condition, double seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string read_text(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

void write_text(const fs::path& file, std::string_view text, mode_t mode) {
  std::ofstream(file, std::ios::binary) << text;
  ::chmod(file.c_str(), mode);
}

TestHost::TestHost() : root_(make_root()), port_(free_port()), key(make_key(root_ / "keys")) {
  settings.services = root_ / "services.d";
  settings.keys = root_ / "keys";
  settings.state = root_ / "state";
  settings.hold = root_ / "hold";
  settings.host = "web-07";
  add_release("v1");
  add_release("v2");
  write_text(restart_script(),
             fmt::format(R"(#!/bin/sh
echo "$SERIN_SERVICE $SERIN_TARGET" >> {0}/restarts
if read -r pid < {0}/pid && kill "$pid"; then
  while [ -e "/proc/$pid/exe" ]; do sleep 0.01; done
fi 2>/dev/null
setsid {0}/current/app {0} {1} < /dev/null > /dev/null 2>&1 &
)",
                         root_.native(), port_),
             0755);
  describe(by_symlink());
}

TestHost::~TestHost() {
  stop();
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void TestHost::describe(std::string_view rollback) {
  write_text(settings.services / "api.toml",
             fmt::format("pid_file = \"{0}/pid\"\nversion = {{ symlink = \"{0}/current\" }}\n\n{1}",
                         root_.native(), rollback));
}

std::string TestHost::by_symlink(std::string_view more) const {
  return fmt::format(R"([[rollback]]
action = "release_symlink"
releases = "{0}/releases"
restart = {{ command = ["{1}"] }}
healthy = {{ http = "{2}", within = "10s" }}
{3})",
                     root_.native(), restart_script().native(), health_url(), more);
}

std::string TestHost::health_url() const {
  return fmt::format("http://127.0.0.1:{}/healthz", port_);
}

void TestHost::add_release(const std::string& name) {
  const auto folder = root_ / "releases" / name;
  fs::create_directory(folder);
  fs::copy_file(TEST_SERVICE, folder / "app");
}

void TestHost::select(const std::string& name) {
  fs::remove(root_ / "current");
  fs::create_symlink("releases/" + name, root_ / "current");
}

void TestHost::start(const std::string& name) {
  select(name);
  const auto started = run_program({.argv = {restart_script().native()},
                                    .environment = {},
                                    .deadline_boot_us = clock.boot_us() + 10 * kSecondUs,
                                    .before_start = {}},
                                   clock);
  SERIN_VERIFY(started.has_value());
  SERIN_VERIFY(
      eventually([&] { return running() == name && check_health(health_url(), kSecondUs); }));
  fs::remove(root_ / "restarts");
}

void TestHost::stop() {
  const int pid = std::atoi(read_text(root_ / "pid").c_str());
  if (pid <= 1 || running().empty()) return;
  ::kill(pid, SIGKILL);
  eventually([&] { return !read_process("/proc", pid); });
}

std::string TestHost::selected() const {
  return fs::read_symlink(root_ / "current").filename().native();
}

std::string TestHost::running() const {
  const int pid = std::atoi(read_text(root_ / "pid").c_str());
  if (pid <= 1 || !read_process("/proc", pid)) return {};
  const auto exe = process_link("/proc", pid, "exe");
  if (!exe || exe->parent_path().parent_path() != root_ / "releases") return {};
  return exe->parent_path().filename().native();
}

int TestHost::starts_of(std::string_view version) const {
  std::istringstream lines(read_text(root_ / "starts"));
  int count = 0;
  for (std::string line; std::getline(lines, line);)
    count += line.starts_with(std::string(version) + " ");
  return count;
}

Command TestHost::command(std::string_view condemned, std::string_view target, int ordinal) const {
  Command command;
  command.deploy = "api-9xk2";
  command.host = settings.host;
  command.service = "api";
  command.id = command_id(command.deploy, command.host, command.service, "rollback", ordinal);
  command.condemned = condemned;
  command.target = target;
  command.issued_us = clock.wall_us();
  command.not_after_us = clock.wall_us() + 600 * kSecondUs;
  return command;
}

Bytes TestHost::sign(const Command& command) const {
  SignedCommand envelope{.key_id = key.key_id(), .payload = wire::encode(command), .signature = {}};
  const auto signature = key.sign_command(envelope.payload);
  envelope.signature.assign(signature.begin(), signature.end());
  return wire::encode(envelope);
}

Bytes TestHost::execute_request(const Command& command) const {
  return wire::encode(
      HelperRequest{.verb = HelperVerb::execute, .service = {}, .command = sign(command)});
}

HelperReply TestHost::ask(const HelperRequest& request) {
  StepObserver observer;
  Helper helper(settings, clock, launcher, observer);
  SERIN_VERIFY(JournalFolder(settings.state).prepare().has_value());
  const Bytes packet = wire::encode(request);
  return helper.answer(packet, packet.size());
}

HelperReply TestHost::execute(const Command& command) {
  return ask({.verb = HelperVerb::execute, .service = {}, .command = sign(command)});
}

HelperReply TestHost::status() {
  return ask({.verb = HelperVerb::status, .service = "api", .command = {}});
}

std::string TestHost::steps(const HelperReply& reply) {
  std::string text;
  for (const auto& step : reply.steps) text += (text.empty() ? "" : " ") + step.name;
  return text;
}

}  // namespace serin::helper
