#include <fmt/core.h>

#include "ctl/policy_file.h"
#include "ctl/run.h"

// policy check: would the aggregator take these policies?

namespace serin::ctl {

Exit run(const PolicyCheck& command, const Common& common, Console& console) {
  const auto policies = read_policy_file(command.file);
  if (!policies) {
    complain(console, policies.error().message);
    return Exit::failed;
  }
  if (common.output == Output::json) {
    console.out(to_json(*policies) + "\n");
    return Exit::done;
  }
  std::string services;
  for (const auto& [name, policy] : policies->services) services += " " + name;
  console.out(fmt::format("{} is in order: [policy.default]{}\n", command.file.native(),
                          services.empty() ? "" : ", and policies of their own for" + services));
  return Exit::done;
}

}  // namespace serin::ctl
