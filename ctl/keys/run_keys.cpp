#include <fmt/core.h>

#include "ctl/keys/keys.h"
#include "ctl/keys/tokens.h"
#include "ctl/run.h"
#include "schema/json_writer.h"

namespace serin::ctl {
namespace {

Exit failed(Console& console, const Error& error) {
  complain(console, error.message);
  return Exit::failed;
}

void say_json(const KeyFacts& key, Console& console) {
  JsonWriter json;
  json.open();
  json.key("key_id").text(key.key_id);
  json.key("file").text(key.file.native());
  json.key("public_file").text(key.public_file.native());
  json.key("public_pem").text(key.public_pem);
  json.close();
  console.out(json.take() + "\n");
}

}  // namespace

Exit run(const KeysInit& command, const Common& common, Console& console) {
  const auto key = make_key(command.file);
  if (!key) return failed(console, key.error());
  if (common.output == Output::json) {
    say_json(*key, console);
    return Exit::done;
  }
  console.out(
      fmt::format("Signing key {}\n"
                  "  {}  secret: for the aggregator alone ([signing] key = …)\n"
                  "  {}  public: copy it to /etc/serin/keys.d/ of every host\n",
                  key->key_id, key->file.native(), key->public_file.native()));
  return Exit::done;
}

Exit run(const KeysShow& command, const Common& common, Console& console) {
  const auto key = look_at_key(command.file);
  if (!key) return failed(console, key.error());
  if (common.output == Output::json) {
    say_json(*key, console);
  } else {
    console.out(fmt::format("Signing key {}\n{}", key->key_id, key->public_pem));
  }
  return Exit::done;
}

Exit run(const KeysToken& command, const Common& common, Console& console) {
  const auto made = add_token(command.file, command.role, command.name);
  if (!made) return failed(console, made.error());
  if (common.output == Output::json) {
    JsonWriter json;
    json.open();
    json.key("name").text(made->name);
    json.key("role").text(made->role);
    json.key("token").text(made->token);
    json.key("file").text(command.file.native());
    json.close();
    console.out(json.take() + "\n");
    return Exit::done;
  }
  console.out(made->token + "\n");
  console.err(
      fmt::format("This token of {} ({}) is not shown again; {} keeps its SHA-256 only.\n"
                  "The aggregator reads that file when it starts ([api] tokens = …). Use the token "
                  "with --token-file, or in SERIN_TOKEN.\n",
                  made->name, made->role, command.file.native()));
  return Exit::done;
}

}  // namespace serin::ctl
