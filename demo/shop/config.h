#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

namespace shop {

/// How one host runs the shop: `key = value` lines, written by whoever sets the host up, the same
/// for every release. A release that cannot read it is one of the ways in which staging lies.
struct Config {
  int port = 0;
  int partner_port = 0;
  std::string partner_host = "127.0.0.1";
  std::string statsd;  ///< who is told of sales and charges, as "127.0.0.1:8125"; empty: nobody
  std::string client;  ///< what the partner knows this host by; default: by its port
  std::filesystem::path data;    ///< folder with shop.db, shared and read only
  std::filesystem::path orders;  ///< this host's own file of placed orders
  std::filesystem::path access_log;
  std::string payment_timeout = "800ms";  ///< kept as text: releases differ in how they read it
};

serin::Result<Config> load_config(const std::filesystem::path& file);

/// "800ms" or "2s" as milliseconds.
serin::Result<int> milliseconds_of(const std::string& text);

}  // namespace shop
