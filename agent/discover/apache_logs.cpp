#include "agent/discover/apache_logs.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/probe/text_lines.h"
#include "agent/request/log_presets.h"

namespace serin::agent {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMostFiles = 256;
constexpr int kMostLevels = 16;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string variable(std::string_view prefix, std::string_view name) {
  std::string out = "$" + std::string(prefix);
  for (char c : lower(name)) out += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
  return out;
}

/// `letter` with the text that stood in braces before it.
std::string meaning(char letter, std::string_view braced) {
  constexpr std::array<std::pair<char, std::string_view>, 13> kPlain = {{{'h', "$remote_addr"},
                                                                         {'a', "$remote_addr"},
                                                                         {'l', "$ident"},
                                                                         {'u', "$remote_user"},
                                                                         {'r', "$request"},
                                                                         {'s', "$status"},
                                                                         {'b', "$body_bytes_sent"},
                                                                         {'B', "$body_bytes_sent"},
                                                                         {'O', "$bytes_sent"},
                                                                         {'D', "$request_time_us"},
                                                                         {'v', "$server_name"},
                                                                         {'p', "$server_port"},
                                                                         {'U', "$uri"}}};
  if (letter == 't' && braced.empty()) return "[$start_local]";
  if (letter == 'T')
    return braced == "ms"   ? "$request_time_ms"
           : braced == "us" ? "$request_time_us"
                            : "$request_time";
  if (letter == 'i') return variable("http_", braced);
  if (letter == 'o') return variable("sent_http_", braced);
  for (const auto& [known, name] : kPlain)
    if (known == letter && braced.empty()) return std::string(name);
  return variable(fmt::format("apache_{}_", letter), braced);
}

/// The words of a line; `"…"` is one, with \" for a quote inside.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (size_t at = line.find_first_not_of(" \t"); at < line.size();
       at = line.find_first_not_of(" \t", at)) {
    std::string word;
    const bool quoted = line[at] == '"';
    if (quoted) ++at;
    while (at < line.size() && (quoted ? line[at] != '"' : line[at] != ' ' && line[at] != '\t')) {
      if (line[at] == '\\' && at + 1 < line.size() && line[at + 1] == '"') ++at;
      word += line[at++];
    }
    if (quoted && at < line.size()) ++at;
    words.push_back(std::move(word));
    if (words.front().starts_with('#')) return {};
  }
  return words;
}

class Reader {
 public:
  Reader(const HostTree& tree, fs::path root, std::map<std::string, std::string> environment)
      : tree_(tree), root_(std::move(root)), environment_(std::move(environment)) {}

  void read(const fs::path& file, int level) {
    if (files_ >= kMostFiles || level >= kMostLevels) return;
    auto text = tree_.text(file);
    if (!text) return;
    ++files_;
    std::string line;
    size_t number = 0;
    each_line(*text, [&](std::string_view part) {
      ++number;
      line += part;
      if (line.ends_with('\\')) return line.pop_back();
      directive(words_of(line), fmt::format("{}:{}", file.string(), number), level);
      line.clear();
    });
  }

  std::vector<FoundLog> take() {
    for (auto& log : logs_) {
      auto named = formats_.find(log.format);
      if (named != formats_.end()) log.format = named->second;
      log.format = format_of_apache(log.format);
    }
    return std::move(logs_);
  }

 private:
  void directive(const std::vector<std::string>& words, const std::string& where, int level) {
    if (words.size() < 2) return;
    const std::string name = lower(words[0]);
    if (name == "serverroot") root_ = expand(words[1]);
    if (name == "define" && words.size() > 2) environment_[words[1]] = expand(words[2]);
    if (name == "logformat" && words.size() > 2) formats_[words[2]] = words[1];
    if (name == "include" || name == "includeoptional") include(expand(words[1]), level);
    if (name == "customlog" && words.size() > 2) add(expand(words[1]), words[2], where);
  }

  void include(const std::string& text, int level) {
    const auto path = absolute(text);
    // A folder stands for everything in it.
    const auto pattern = tree_.is_folder(path) ? path / "*" : path;
    for (const auto& file : tree_.matching(pattern)) read(file, level + 1);
  }

  void add(const std::string& target, const std::string& format, const std::string& where) {
    FoundLog log{.path = absolute(target), .format = format, .where = where};
    if (target.starts_with('|') || target.starts_with("syslog:")) {
      log.path = target;
      log.problem = "it goes to a program: see source = \"syslog\" in serin-service(5)";
    }
    const bool known =
        std::ranges::any_of(logs_, [&](const FoundLog& other) { return other.path == log.path; });
    if (!known) logs_.push_back(std::move(log));
  }

  [[nodiscard]] fs::path absolute(const std::string& text) const {
    return (root_ / text).lexically_normal();
  }

  [[nodiscard]] std::string expand(std::string text) const {
    for (const auto& [name, value] : environment_) {
      const auto hole = fmt::format("${{{}}}", name);
      if (const size_t at = text.find(hole); at != std::string::npos)
        text.replace(at, hole.size(), value);
    }
    return text;
  }

  const HostTree& tree_;
  fs::path root_;
  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> formats_{{"common", "%h %l %u %t \"%r\" %>s %b"}};
  std::vector<FoundLog> logs_;
  size_t files_ = 0;
};

}  // namespace

std::string format_of_apache(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%' || at + 1 >= text.size()) {
      out += text[at];
      continue;
    }
    ++at;
    if (text[at] == '%') {
      out += '%';
      continue;
    }
    // Conditions and <, > stand before the letter: %!200,304{Referer}i, %>s.
    at = std::min(text.find_first_not_of("!<>,0123456789", at), text.size());
    std::string_view braced;
    if (at < text.size() && text[at] == '{') {
      const size_t end = std::min(text.find('}', at), text.size());
      braced = text.substr(at + 1, end - at - 1);
      at = end + 1;
    }
    if (at < text.size() && text[at] == '^') at += 2;  // %{name}^ti
    if (at < text.size()) out += meaning(text[at], braced);
  }
  for (std::string_view preset : {"apache", "apache_timed"})
    if (out == expand_preset(preset)) return std::string(preset);
  return out;
}

std::vector<FoundLog> apache_logs(const HostTree& tree, const fs::path& config,
                                  const std::map<std::string, std::string>& environment) {
  Reader reader(tree, config.parent_path(), environment);
  reader.read(config, 0);
  return reader.take();
}

}  // namespace serin::agent
