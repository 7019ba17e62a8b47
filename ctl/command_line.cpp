#include "ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <sstream>

#include "common/duration.h"

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
    add_looking();
    add_acting();
    add_versions();
    add_drills();
    add_gate();
    add_record();
    add_replay();
    add_policy();
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
    app_.add_option_function<std::string>(
            "--output",
            [this](const std::string& text) {
              into_.common.output = text == "json" ? Output::json : Output::table;
            },
            "How answers are written [table]")
        ->check(CLI::IsMember({"table", "json"}))
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

  void add_looking() {
    command<StatusCommand>(app_, "status", "Services, deploys and hosts at a glance",
                           [](CLI::App&, StatusCommand&) {});
    command<DeploysCommand>(
        app_, "deploys", "Deploys, newest first", [](CLI::App& sub, DeploysCommand& read) {
          sub.add_option("--service", read.service, "Of this service only")->type_name("NAME");
          sub.add_option("--state", read.state, "In this state only")->type_name("STATE");
          sub.add_option("--limit", read.limit, "At most so many")
              ->check(CLI::Range(1, 10'000))
              ->type_name("N")
              ->capture_default_str();
        });
    command<HostsCommand>(
        app_, "hosts", "Hosts, what runs there and how well they are heard",
        [](CLI::App& sub, HostsCommand& read) {
          sub.add_option("--service", read.service, "Of this service only")->type_name("NAME");
        });
    command<ExplainCommand>(
        app_, "explain", "Why a deploy was judged as it was, metric by metric",
        [](CLI::App& sub, ExplainCommand& read) { deploy_option(sub, read.deploy); });
    command<WatchCommand>(
        app_, "watch", "Follow a deploy until it has ended",
        [](CLI::App& sub, WatchCommand& read) { deploy_option(sub, read.deploy); });
  }

  static void deploy_option(CLI::App& sub, std::string& into) {
    sub.add_option("deploy", into, "A deploy's id, or service@version for its newest")
        ->required()
        ->type_name("DEPLOY");
  }

  void add_acting() {
    struct Kind {
      Act act;
      const char* what;
    };
    for (const Kind& kind : {Kind{Act::rollback, "Put the version before it back, now"},
                             Kind{Act::pass, "Let a deploy pass, whatever the evidence"},
                             Kind{Act::hold, "Watch a deploy and do nothing about it"},
                             Kind{Act::release, "End a hold"}}) {
      command<ActCommand>(
          app_, std::string(name(kind.act)), kind.what, [&kind](CLI::App& sub, ActCommand& read) {
            read.act = kind.act;
            deploy_option(sub, read.deploy);
            sub.add_option("--reason", read.reason,
                           "Why, as it will stand in the audit and in the chat")
                ->type_name("TEXT");
            if (kind.act != Act::rollback) return;
            sub.add_option("--host", read.host, "This host only")->type_name("HOST");
          });
    }
  }

  static void reason_option(CLI::App& sub, std::string& into) {
    sub.add_option("--reason", into, "Why, as it will stand in the audit")->type_name("TEXT");
  }
  static void version_option(CLI::App& sub, std::string& into) {
    sub.add_option("what", into, "The service and its version")
        ->required()
        ->type_name("SERVICE@VERSION");
  }

  void add_versions() {
    command<VersionCommand>(
        app_, "declare", "Say whether a version can be undone",
        [](CLI::App& sub, VersionCommand& read) {
          version_option(sub, read.what);
          auto* cannot = sub.add_flag_callback(
              "--irreversible", [&read] { read.irreversible = true; },
              "It cannot: found to be worse, it is frozen and people are asked");
          sub.add_flag_callback(
                 "--reversible", [&read] { read.irreversible = false; }, "It can, after all")
              ->excludes(cannot);
          reason_option(sub, read.reason);
        });
    command<VersionCommand>(app_, "absolve", "Take a condemnation back; for admins",
                            [](CLI::App& sub, VersionCommand& read) {
                              read.absolve = true;
                              version_option(sub, read.what);
                              reason_option(sub, read.reason);
                            });
  }

  void add_drills() {
    command<DrillCommand>(
        app_, "drill",
        "Rehearse a rollback on one host: there and back; ends with 0 drilled, 1 failed or refused",
        [](CLI::App& sub, DrillCommand& read) {
          sub.add_option("host", read.host, "A host that can be spared")
              ->required()
              ->type_name("HOST");
          sub.add_option("service", read.service, "The service")->required()->type_name("SERVICE");
          reason_option(sub, read.reason);
          sub.add_flag("--wait", read.wait,
                       "Until it has ended; without, 0 means that it is under way");
        });
    command<DrillsCommand>(
        app_, "drills", "Drills, newest first, and how long they took",
        [](CLI::App& sub, DrillsCommand& read) {
          sub.add_option("--service", read.service, "Of this service only")->type_name("NAME");
        });
  }

  void add_gate() {
    command<GateCommand>(
        app_, "gate", "May a version go to a stage? Ends with 0 go, 1 stop, 2 not yet or no answer",
        [](CLI::App& sub, GateCommand& read) {
          sub.add_option("what", read.what, "The service and its version")
              ->required()
              ->type_name("SERVICE@VERSION");
          sub.add_option("--stage", read.stage, "The stage: 0, 1 … or as in the policy, \"5%\"")
              ->required()
              ->type_name("S");
          sub.add_option_function<std::string>(
                 "--wait",
                 [&read](const std::string& text) {
                   const auto seconds = parse_duration(text);
                   if (!seconds) throw CLI::ValidationError("--wait", seconds.error().message);
                   read.wait_seconds = *seconds;
                 },
                 "Ask again for so long while the answer is not yet")
              ->type_name("10m");
        });
  }

  void add_record() {
    command<RecordCommand>(
        app_, "record", "Write what agents and aggregator say to a capture, until told to end",
        [](CLI::App& sub, RecordCommand& read) {
          sub.add_option("--out", read.out, "The capture [standard output]")->type_name("FILE");
          sub.add_option("--nats", read.nats, "NATS [the configuration's, nats://127.0.0.1:4222]")
              ->type_name("URL");
          sub.add_option("--credentials", read.credentials, "Credentials of an observer")
              ->type_name("FILE");
          sub.add_flag("--from-start", read.from_start, "From the oldest message that is kept on");
          auto* idle = sub.add_flag("--until-idle", read.until_idle,
                                    "From the oldest message to where the stream ends now");
          sub.add_option("--seconds", read.seconds, "For so long")
              ->check(CLI::PositiveNumber)
              ->type_name("N")
              ->excludes(idle);
        });
  }

  void add_replay() {
    command<ReplayCommand>(
        app_, "replay", "Judge captures again; ends with 3 when lines were skipped",
        [this](CLI::App& sub, ReplayCommand& read) {
          sub.add_option("files", read.files,
                         "Captures (NDJSON, also .gz and .zst; - for standard input)")
              ->required()
              ->type_name("FILE");
          sub.add_option("--policy", read.policy,
                         "Judge by the [policy.*] of this file, not by those in the captures")
              ->type_name("FILE");
          sub.add_flag("--together", read.together,
                       "The files are parts of one stream: merge them by stored time and sequence");
          sub.add_flag("--explain", read.explain,
                       "Explain every deploy metric by metric; without it, only when they are few");
          sub.add_flag("--progress", read.progress,
                       "Tell how far it is, also where standard error is no terminal");
          sub.add_option_function<std::string>(
                 "--format",
                 [this](const std::string& text) {
                   into_.common.output = text == "json" ? Output::json : Output::table;
                 },
                 "text or json; the same as --output")
              ->check(CLI::IsMember({"text", "json"}))
              ->type_name("text|json");
        });
  }

  void add_policy() {
    CLI::App* policy = app_.add_subcommand("policy", "Policies");
    policy->require_subcommand(1);
    command<PolicyCheck>(*policy, "check", "Would the aggregator take the [policy.*] of a file?",
                         [](CLI::App& sub, PolicyCheck& read) {
                           sub.add_option("file", read.file, "aggregator.toml, or a part of it")
                               ->required()
                               ->type_name("FILE");
                         });
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
