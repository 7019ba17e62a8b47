#include "aggregator/render/json.h"
#include "aggregator/render/render.h"

namespace serin::render {

namespace {

/// Slack reads &, < and > as its own marks; nothing else needs care.
std::string slack_escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else
      result += c;
  }
  return result;
}

}  // namespace

std::string webhook_body(const core::Notification& notification, const std::string& link) {
  return text_of(Json{{"id", notification.effect_id},
                      {"kind", notification.kind},
                      {"deploy", word(notification.deploy)},
                      {"service", word(notification.service)},
                      {"version", word(notification.version)},
                      {"previous", word(notification.previous)},
                      {"hosts", notification.hosts},
                      {"at", time(notification.at_us)},
                      {"reason", json_of(notification.reason)},
                      {"text", notification.text},
                      {"url", word(link)}});
}

std::string slack_body(const core::Notification& notification, const std::string& link) {
  std::string text = slack_escaped(notification.text);
  if (!link.empty()) text += " · <" + link + "|details>";
  return text_of(Json{{"text", text}});
}

}  // namespace serin::render
