#pragma once

#include <vector>

#include "agent/request/timeline.h"
#include "agent/sampler/service_check.h"
#include "common/service_file.h"

namespace serin::agent {

/// What `check` says of `service.requests[index]`, a recorder: who records, and what is wrong with
/// the files that are not counted. `timeline`: what runs now. Changes nothing.
std::vector<ServiceCheck::Line> check_recorder(const ServiceFile& service, size_t index,
                                               const Timeline& timeline, std::string_view boot_id);

}  // namespace serin::agent
