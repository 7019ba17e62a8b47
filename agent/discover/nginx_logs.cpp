#include "agent/discover/nginx_logs.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMostFiles = 256;
constexpr int kMostLevels = 16;
constexpr const char* kDefaultLog = "/var/log/nginx/access.log";  // of every distribution's package

struct Directive {
  std::vector<std::string> words;
  std::vector<Directive> block;
  std::string where;
  [[nodiscard]] const std::string& name() const { return words.front(); }
};

/// Reads words, `{`, `}` and `;` of nginx's syntax and builds the tree of directives.
class Reader {
 public:
  explicit Reader(const HostTree& tree) : tree_(tree) {}

  std::vector<Directive> read(const fs::path& file, int level) {
    auto text = files_ < kMostFiles && level < kMostLevels ? tree_.text(file) : fail("too many");
    if (!text) return {};
    ++files_;
    Place place{.text = *text, .file = file, .at = 0, .line = 1};
    return block(place, level);
  }

  fs::path folder;  ///< what includes are relative to

 private:
  struct Place {
    std::string_view text;
    fs::path file;
    size_t at, line;
  };

  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  static void skip_blanks(Place& place) {
    while (place.at < place.text.size()) {
      const char c = place.text[place.at];
      if (c == '#') {
        place.at = std::min(place.text.find('\n', place.at), place.text.size());
      } else if (is_blank(c)) {
        if (c == '\n') ++place.line;
        ++place.at;
      } else {
        return;
      }
    }
  }

  static std::string quoted(Place& place) {
    const char quote = place.text[place.at++];
    std::string word;
    while (place.at < place.text.size() && place.text[place.at] != quote) {
      if (place.text[place.at] == '\n') ++place.line;
      if (place.text[place.at] == '\\' && place.at + 1 < place.text.size()) {
        const char next = place.text[place.at + 1];
        if (next == quote || next == '\\') ++place.at;
      }
      word += place.text[place.at++];
    }
    if (place.at < place.text.size()) ++place.at;
    return word;
  }

  static std::string word(Place& place) {
    const char first = place.text[place.at];
    if (first == '"' || first == '\'') return quoted(place);
    std::string word;
    while (place.at < place.text.size()) {
      const char c = place.text[place.at];
      const bool variable = c == '{' && !word.empty() && word.back() == '$';
      if (is_blank(c) || c == ';' || (c == '{' && !variable)) break;
      word += c;
      ++place.at;
      if (variable)
        while (place.at < place.text.size() && word.back() != '}') word += place.text[place.at++];
    }
    return word;
  }

  std::vector<Directive> block(Place& place, int level) {
    std::vector<Directive> directives;
    Directive next;
    for (skip_blanks(place); place.at < place.text.size(); skip_blanks(place)) {
      const char c = place.text[place.at];
      if (c == '}') {
        ++place.at;
        break;
      }
      if (c == ';' || c == '{') {
        ++place.at;
        if (c == '{' && level < kMostLevels) next.block = block(place, level + 1);
        if (!next.words.empty()) finish(std::move(next), directives, level);
        next = {};
        continue;
      }
      if (next.words.empty()) next.where = fmt::format("{}:{}", place.file.string(), place.line);
      next.words.push_back(word(place));
    }
    return directives;
  }

  void finish(Directive directive, std::vector<Directive>& directives, int level) {
    if (directive.name() != "include" || directive.words.size() != 2) {
      directives.push_back(std::move(directive));
      return;
    }
    for (const auto& file : tree_.matching(folder / directive.words[1]))
      for (auto& one : read(file, level + 1)) directives.push_back(std::move(one));
  }

  const HostTree& tree_;
  size_t files_ = 0;
};

/// 8080 of "http://127.0.0.1:8080/x", "localhost:8080" and ":8080"; nullopt for other hosts.
std::optional<uint16_t> local_port(std::string_view text) {
  if (const size_t scheme = text.find("://"); scheme != std::string_view::npos)
    text.remove_prefix(scheme + 3);
  text = text.substr(0, text.find('/'));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto host = text.substr(0, colon);
  if (host != "localhost" && host != "[::1]" && !host.starts_with("127.")) return std::nullopt;
  uint16_t port = 0;
  const auto digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(port)
                                                                      : std::nullopt;
}

class Logs {
 public:
  void http(const std::vector<Directive>& directives) {
    for (const auto& one : directives) {
      if (one.name() == "log_format" && one.words.size() > 2) add_format(one);
      if (one.name() == "upstream" && one.words.size() > 1) add_upstream(one);
    }
    const auto outer = logs_of(
        directives, {Named{.path = kDefaultLog, .format = "combined", .where = "nginx's default"}});
    bool served = false;
    for (const auto& one : directives) {
      if (one.name() != "server") continue;
      served = true;
      server(one, outer);
    }
    if (!served)
      for (const auto& log : outer) note(log);
  }

  std::vector<FoundLog> take() {
    std::vector<FoundLog> found;
    for (auto& [path, log] : found_) found.push_back(std::move(log));
    return found;
  }

 private:
  struct Named {
    std::string path, format, where;
  };

  void add_format(const Directive& one) {
    std::string text;
    for (size_t i = 2; i < one.words.size(); ++i)
      if (i > 2 || !one.words[i].starts_with("escape=")) text += one.words[i];
    formats_[one.words[1]] = std::move(text);
  }

  void add_upstream(const Directive& one) {
    for (const auto& inner : one.block)
      if (inner.name() == "server" && inner.words.size() > 1)
        upstreams_[one.words[1]].push_back(local_port(inner.words[1]).value_or(0));
  }

  /// The logs of a block: its own, else those around it.
  static std::vector<Named> logs_of(const std::vector<Directive>& directives,
                                    std::vector<Named> outer) {
    std::vector<Named> own;
    bool said = false;
    for (const auto& one : directives) {
      if (one.name() != "access_log" || one.words.size() < 2) continue;
      said = true;
      if (one.words[1] == "off") continue;
      const bool named = one.words.size() > 2 && one.words[2].find('=') == std::string::npos;
      own.push_back(
          {.path = one.words[1], .format = named ? one.words[2] : "combined", .where = one.where});
    }
    return said ? own : std::move(outer);
  }

  FoundLog& note(const Named& log) {
    auto [entry, added] = found_.try_emplace(log.path);
    FoundLog& found = entry->second;
    if (!added) return found;
    found.path = log.path;
    found.where = log.where;
    auto format = formats_.find(log.format);
    found.format = format == formats_.end() ? log.format : format->second;
    if (log.path.starts_with("syslog:"))
      found.problem = "it goes to syslog: see source = \"syslog\" in serin-service(5)";
    else if (log.path.find('$') != std::string::npos)
      found.problem = "its name holds variables, and one file is followed";
    else if (!log.path.starts_with('/'))
      found.problem = "its path is relative to how nginx was built";
    return found;
  }

  void server(const Directive& server, const std::vector<Named>& outer) {
    const auto logs = logs_of(server.block, outer);
    for (const auto& log : logs) note(log);
    size_t proxied = 0;
    proxies(server.block, logs, proxied);
    if (proxied == 0)
      for (const auto& log : logs) note(log).also_own = true;
  }

  void proxies(const std::vector<Directive>& directives, const std::vector<Named>& logs,
               size_t& count) {
    for (const auto& one : directives) {
      if (one.name() == "location" || one.name() == "if") {
        proxies(one.block, logs_of(one.block, logs), count);
        for (const auto& log : logs_of(one.block, logs)) note(log);
      }
      const bool passes = one.name().ends_with("_pass") && one.words.size() > 1;
      if (!passes) continue;
      ++count;
      for (const auto& log : logs) hand_on(note(log), one.words[1]);
    }
  }

  void hand_on(FoundLog& log, std::string_view target) const {
    for (uint16_t port : ports_behind(target)) {
      if (port == 0) {
        log.also_own = true;
      } else {
        log.behind.insert(port);
      }
    }
  }

  /// 0 stands for what is not a port of this host.
  std::vector<uint16_t> ports_behind(std::string_view target) const {
    if (auto port = local_port(target)) return {*port};
    if (const size_t scheme = target.find("://"); scheme != std::string_view::npos)
      target.remove_prefix(scheme + 3);
    auto upstream = upstreams_.find(std::string(target.substr(0, target.find('/'))));
    return upstream == upstreams_.end() ? std::vector<uint16_t>{0} : upstream->second;
  }

  std::map<std::string, std::string> formats_;
  std::map<std::string, std::vector<uint16_t>> upstreams_;
  std::map<std::string, FoundLog> found_;
};

}  // namespace

std::vector<FoundLog> nginx_logs(const HostTree& tree, const fs::path& config) {
  Reader reader(tree);
  reader.folder = config.parent_path();
  Logs logs;
  for (const auto& directive : reader.read(config, 0))
    if (directive.name() == "http") logs.http(directive.block);
  return logs.take();
}

}  // namespace serin::agent
