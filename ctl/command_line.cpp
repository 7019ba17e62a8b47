#include "ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <sstream>

namespace serin::ctl {
namespace {

/// Builds the parser over one Invocation, which must outlive it.
class Words {
 public:
  explicit Words(Invocation& into) : into_(into) {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "serinctl " SERIN_VERSION);
    app_.fallthrough();  // `serinctl status --output json` as well as `serinctl --output json
                         // status`
    add_common();
    add_keys();
  }

  CLI::App& app() { return app_; }

 private:
  void add_common() {
    Common& common = into_.common;
    app_.add_option("--config", common.config,
                    "Configuration [/etc/serin/serinctl.toml, if it is there]")
        ->type_name("FILE");
    app_.add_option("--api", common.api,
                    "The aggregator's address [$SERIN_URL, http://127.0.0.1:8420]")
        ->type_name("URL");
    app_.add_option("--token-file", common.token_file, "File that holds a token [$SERIN_TOKEN]")
        ->type_name("FILE");
    static const std::map<std::string, Output> kOutputs = {{"table", Output::table},
                                                           {"json", Output::json}};
    app_.add_option("--output", common.output, "How answers are written: table or json")
        ->transform(CLI::Transformer(kOutputs))
        ->type_name("table|json");
  }

  /// A subcommand that fills a C; `C` becomes the command when its words were read without fault.
  template <typename C>
  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& what,
                    const std::function<void(CLI::App&, C&)>& options) {
    CLI::App* sub = parent.add_subcommand(name, what);
    auto read = std::make_shared<C>();
    options(*sub, *read);
    sub->callback([this, read] { into_.command = *read; });
    return sub;
  }

  void add_keys() {
    CLI::App* keys = app_.add_subcommand("keys", "The signing key, and tokens for the API");
    keys->require_subcommand(1);
    command<KeysInit>(
        *keys, "init", "Make the signing key of an aggregator", [](CLI::App& sub, KeysInit& read) {
          sub.add_option("--out", read.file, "Where it goes; FILE.pub gets the public half")
              ->type_name("FILE")
              ->capture_default_str();
        });
    command<KeysShow>(*keys, "show", "Show a signing key's id and its public half",
                      [](CLI::App& sub, KeysShow& read) {
                        sub.add_option("--key", read.file, "The signing key")
                            ->type_name("FILE")
                            ->capture_default_str();
                      });
    command<KeysToken>(
        *keys, "token", "Make a token for the API; it is shown once and kept as SHA-256",
        [](CLI::App& sub, KeysToken& read) {
          sub.add_option("--role", read.role, "viewer reads, operator acts, admin may do all")
              ->required()
              ->check(CLI::IsMember({"viewer", "operator", "admin"}))
              ->type_name("ROLE");
          sub.add_option("--name", read.name, "Who will use it, as it stands in the audit")
              ->type_name("NAME");
          sub.add_option("--tokens", read.file, "The aggregator's tokens file")
              ->type_name("FILE")
              ->capture_default_str();
        });
  }

  Invocation& into_;
  CLI::App app_{"serinctl: look at what Serin sees, and tell it what to do"};
};

}  // namespace

std::expected<Invocation, Exit> parse(int argc, const char* const* argv, Console& console) {
  Invocation invocation;
  Words words(invocation);
  try {
    words.app().parse(argc, argv);
    return invocation;
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int status = words.app().exit(error, out, err);
    console.out(out.str());
    console.err(err.str());
    return std::unexpected(status == 0 ? Exit::done : Exit::usage);
  }
}

}  // namespace serin::ctl
