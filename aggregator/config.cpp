#include "aggregator/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/file.h"
#include "common/service_manager.h"
#include "schema/text.h"

namespace serin::aggregator {

namespace {

constexpr int64_t kMiB = 1024 * 1024;
constexpr int64_t kLeastStreamBytes = kMiB, kMostStreamBytes = 1024LL * 1024 * kMiB;
constexpr double kLeastAgeSeconds = 600, kMostAgeSeconds = 30 * 86'400;
constexpr size_t kMostSecretBytes = 4096;

const std::vector<std::string>& known_kinds() {
  static const std::vector<std::string> kinds{"opened",
                                              "rollback",
                                              "rolled_back",
                                              "rollback_failed",
                                              "recovered",
                                              "not_the_cause",
                                              "passed",
                                              "inconclusive",
                                              "fleet_incident",
                                              "frozen",
                                              "condemned_returned",
                                              "host_conflict",
                                              "held",
                                              "advisory",
                                              "drift",
                                              "drilled",
                                              "drill_failed",
                                              "dead_man",
                                              "disagreement"};
  return kinds;
}

bool is_http_url(std::string_view url) {
  return (url.starts_with("http://") || url.starts_with("https://")) && is_plain_text(url) &&
         url.find(' ') == std::string_view::npos;
}

void read_streams(ConfigTable& nats, Bus::StreamLimits& limits) {
  auto streams = nats.table("streams");
  if (!streams) return;
  const auto bytes = [&](std::string_view key, int64_t& into) {
    if (auto value = streams->integer(key, kLeastStreamBytes, kMostStreamBytes)) into = *value;
  };
  bytes("input_bytes", limits.input_bytes);
  bytes("commands_bytes", limits.commands_bytes);
  bytes("attention_bytes", limits.attention_bytes);
  bytes("audit_bytes", limits.audit_bytes);
  if (auto age = streams->duration_seconds("input_age")) {
    if (*age < kLeastAgeSeconds || *age > kMostAgeSeconds)
      streams->problem("input_age", "must be from 10m to 30d");
    limits.input_age_seconds = static_cast<int64_t>(*age);
  }
}

void read_nats(ConfigTable& root, Bus::Options& bus) {
  auto nats = root.table("nats");
  if (!nats) return root.missing("nats", "url = \"nats://…\" of the server that agents send to");
  if (auto urls = nats->strings("url")) bus.urls = std::move(*urls);
  if (bus.urls.empty()) nats->missing("url", "the NATS servers that agents send to");
  for (const std::string& url : bus.urls) {
    if (!url.starts_with("nats://") && !url.starts_with("tls://")) {
      nats->problem("url", fmt::format("\"{}\" must begin with nats:// or tls://", url));
    }
  }
  if (auto file = nats->string("credentials")) bus.credentials = credential_path(*file);
  read_streams(*nats, bus.limits);
}

void read_api(ConfigTable& root, AggregatorConfig& config) {
  auto api = root.table("api");
  if (!api) return;
  if (auto text = api->string("listen")) {
    if (auto listen = parse_listen(*text))
      config.listen = *listen;
    else
      api->problem("listen", listen.error().message);
  }
  if (auto file = api->string("tokens")) config.tokens = credential_path(*file);
  if (!config.tokens && !config.listen.loopback()) {
    api->problem("listen",
                 "without tokens only this machine is served: set tokens, or listen on 127.0.0.1");
  }
  if (auto url = api->string("public_url")) {
    if (!is_http_url(*url)) api->problem("public_url", "must begin with http:// or https://");
    while (url->ends_with('/')) url->pop_back();
    config.public_url = std::move(*url);
  }
}

/// The one line of a secret's file.
std::optional<std::string> read_secret(ConfigTable& table, std::string_view key) {
  const auto file = table.string(key);
  if (!file) return std::nullopt;
  auto text = read_file(credential_path(*file), kMostSecretBytes);
  if (!text) {
    table.problem(key, text.error().message);
    return std::nullopt;
  }
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty()) table.problem(key, fmt::format("{} is empty", *file));
  return *text;
}

void read_kinds(ConfigTable& table, Sink& sink) {
  auto kinds = table.strings("on");
  if (!kinds) return;
  for (const std::string& kind : *kinds) {
    if (std::ranges::find(known_kinds(), kind) != known_kinds().end()) continue;
    const std::string nearest = nearest_word(kind, known_kinds());
    table.problem(
        "on", fmt::format("\"{}\" is not known{}", kind,
                          nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
  }
  if (kinds->empty()) table.problem("on", "is empty: leave it out to be told everything");
  sink.on = std::move(*kinds);
}

Sink read_sink(ConfigTable& table, size_t number) {
  Sink sink;
  const std::string kind = table.string("kind").value_or("");
  if (kind == "slack")
    sink.kind = Sink::Kind::slack;
  else if (kind.empty())
    table.missing("kind", "\"webhook\" or \"slack\"");
  else if (kind != "webhook")
    table.problem("kind", "must be \"webhook\" or \"slack\"");
  sink.name = table.string("name").value_or(fmt::format("{}-{}", kind, number));
  if (sink.name.empty() || !is_plain_text(sink.name)) table.problem("name", "must be plain text");
  auto url = table.string("url");
  auto from_file = read_secret(table, "url_file");
  if (url && from_file) table.problem("url_file", "stands beside url; keep one of them");
  if (from_file) url = std::move(from_file);
  if (!url && !table.has("url_file"))
    table.missing("url_file", "the file with the address to send to (or url)");
  // The address itself is a secret as a rule: it is not repeated in the message.
  if (url && !is_http_url(*url)) {
    table.problem(table.has("url") ? "url" : "url_file",
                  "must hold an address with http:// or https://");
  }
  sink.url = url.value_or("");
  sink.secret = read_secret(table, "secret_file");
  read_kinds(table, sink);
  return sink;
}

void read_path(ConfigTable& root, std::string_view name, std::string_view key,
               std::filesystem::path& into) {
  auto table = root.table(name);
  if (!table) return;
  if (auto path = table->string(key)) into = *path;
}

}  // namespace

Result<AggregatorConfig> load_aggregator_config(const std::filesystem::path& file) {
  auto root = ConfigTable::parse_file(file);
  if (!root) return std::unexpected(root.error());
  AggregatorConfig config;
  read_nats(*root, config.bus);
  read_api(*root, config);
  read_path(*root, "state", "dir", config.state_dir);
  read_path(*root, "signing", "key", config.signing_key);
  config.signing_key = credential_path(config.signing_key);
  config.policies = policy_from_config(*root);
  for (ConfigTable& table : root->tables("notify")) {
    Sink sink = read_sink(table, config.sinks.size() + 1);
    if (std::ranges::find(config.sinks, sink.name, &Sink::name) != config.sinks.end()) {
      table.problem("name", fmt::format("\"{}\" stands twice", sink.name));
    }
    config.sinks.push_back(std::move(sink));
  }
  if (auto finished = root->finish(); !finished) return std::unexpected(finished.error());
  return config;
}

}  // namespace serin::aggregator
