#include "demo/shop/config.h"

#include <fmt/core.h>
#include <charconv>
#include <fstream>

namespace shop {
namespace {

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

serin::Result<int> port_of(const std::string& text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port < 1 || port > 65535) {
    return serin::fail(fmt::format("'{}' is not a port", text));
  }
  return port;
}

serin::Result<void> set(Config& config, const std::string& key, const std::string& value) {
  if (key == "port" || key == "partner_port") {
    auto port = port_of(value);
    if (!port) return std::unexpected(port.error());
    (key == "port" ? config.port : config.partner_port) = *port;
  } else if (key == "partner_host") {
    config.partner_host = value;
  } else if (key == "statsd") {
    config.statsd = value;
  } else if (key == "client") {
    config.client = value;
  } else if (key == "data") {
    config.data = value;
  } else if (key == "orders") {
    config.orders = value;
  } else if (key == "access_log") {
    config.access_log = value;
  } else if (key == "payment_timeout") {
    config.payment_timeout = value;
  } else {
    return serin::fail(fmt::format("unknown key '{}'", key));
  }
  return {};
}

}  // namespace

serin::Result<Config> load_config(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return serin::fail(fmt::format("cannot read {}", file.string()));
  Config config;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    line = trimmed(line);
    if (line.empty() || line.front() == '#') continue;
    const auto equals = line.find('=');
    if (equals == std::string::npos) {
      return serin::fail(fmt::format("{}:{}: expected key = value", file.string(), number));
    }
    auto done = set(config, trimmed(line.substr(0, equals)), trimmed(line.substr(equals + 1)));
    if (!done) {
      return serin::fail(fmt::format("{}:{}: {}", file.string(), number, done.error().message));
    }
  }
  if (config.port == 0 || config.data.empty() || config.access_log.empty()) {
    return serin::fail(fmt::format("{}: port, data and access_log are needed", file.string()));
  }
  if (config.client.empty()) config.client = fmt::format("shop-{}", config.port);
  return config;
}

serin::Result<int> milliseconds_of(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  if (error != std::errc{} || value <= 0 || (unit != "ms" && unit != "s")) {
    return serin::fail(fmt::format("'{}' is not a time such as 800ms or 2s", text));
  }
  return unit == "s" ? value * 1000 : value;
}

}  // namespace shop
