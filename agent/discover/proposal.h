#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/discover/access_log_found.h"
#include "agent/discover/host_tree.h"
#include "agent/discover/port_probe.h"
#include "agent/discover/scan.h"

namespace serin::agent {

/// What is known of the host beside the unit itself.
struct Surroundings {
  std::vector<FoundLog> front_logs;  ///< of the web servers in front
  PortAnswers answers;               ///< nothing where nobody was asked
  bool asked = false;
};

struct Proposal {
  std::string name;  ///< of the service
  std::string text;  ///< the whole file
};

/// The name that a service file of this unit would have: "web@eu.service" is "web-eu".
std::string service_name_of(const std::string& unit);

/// Writes the service file of a unit: what is certain as lines that count, what is not as comments
/// that say why. Complete: unit, version, configuration, requests, rollback.
Proposal propose(const HostTree& tree, const FoundUnit& unit, const Surroundings& around);

/// The [[requests]] of it (request_proposal.cpp).
std::string propose_requests(const HostTree& tree, const FoundUnit& unit,
                             const Surroundings& around);
/// The logs of this unit, where it is a web server.
std::vector<FoundLog> own_logs(const HostTree& tree, const FoundUnit& unit);

}  // namespace serin::agent
