#include "agent/sampler/check_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "schema/json_writer.h"

namespace serin::agent {
namespace {

using Line = ServiceCheck::Line;

std::string text_of(const Line& line) {
  std::string_view mark = line.mark == Line::Mark::good   ? "ok  "
                          : line.mark == Line::Mark::note ? "note"
                                                          : "BAD ";
  std::string text = fmt::format("  {} {:<10} {}\n", mark, line.topic, line.text);
  if (line.mark != Line::Mark::good && !line.fix.empty())
    text += fmt::format("       {:<10} fix: {}\n", "", line.fix);
  return text;
}

void put(JsonWriter& out, const std::vector<Line>& lines) {
  out.key("lines").open('[');
  for (const auto& line : lines) {
    std::string_view mark = line.mark == Line::Mark::good   ? "ok"
                            : line.mark == Line::Mark::note ? "note"
                                                            : "bad";
    out.open().key("mark").text(mark).key("topic").text(line.topic).key("text").text(line.text);
    if (line.mark != Line::Mark::good) out.key("fix").text(line.fix);
    out.close();
  }
  out.close(']');
}

}  // namespace

bool CheckReport::Part::is_good() const {
  return std::ranges::none_of(lines, [](const Line& line) { return line.mark == Line::Mark::bad; });
}

bool CheckReport::is_good() const {
  return std::ranges::all_of(parts, &Part::is_good);
}

std::string CheckReport::text() const {
  std::string text = fmt::format("serin-agent {} on {}, configured by {}\n", version, host, config);
  for (const auto& part : parts) {
    if (!part.service.empty()) text += fmt::format("\nservice {}\n", part.service);
    for (const auto& line : part.lines) text += text_of(line);
  }
  return text;
}

std::string CheckReport::json() const {
  JsonWriter out;
  out.open().key("version").text(version).key("host").text(host).key("config").text(config);
  out.key("good").boolean(is_good());
  for (const auto& part : parts)
    if (part.service.empty()) put(out, part.lines);
  out.key("services").open('[');
  for (const auto& part : parts) {
    if (part.service.empty()) continue;
    out.open().key("name").text(part.service).key("good").boolean(part.is_good());
    put(out, part.lines);
    out.close();
  }
  out.close(']').close();
  return out.take();
}

}  // namespace serin::agent
