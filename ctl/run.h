#pragma once

#include "ctl/command_line.h"
#include "ctl/console.h"
#include "ctl/exit_status.h"

namespace serin::ctl {

/// Does what was asked, says so on the console. Nothing is thrown, nothing exits.
Exit run(const Invocation& invocation, Console& console);

// One per subcommand.
Exit run(const StatusCommand& command, const Common& common, Console& console);
Exit run(const DeploysCommand& command, const Common& common, Console& console);
Exit run(const HostsCommand& command, const Common& common, Console& console);
Exit run(const ExplainCommand& command, const Common& common, Console& console);
Exit run(const WatchCommand& command, const Common& common, Console& console);
Exit run(const ActCommand& command, const Common& common, Console& console);
Exit run(const VersionCommand& command, const Common& common, Console& console);
Exit run(const DrillCommand& command, const Common& common, Console& console);
Exit run(const DrillsCommand& command, const Common& common, Console& console);
Exit run(const GateCommand& command, const Common& common, Console& console);
Exit run(const PolicyCheck& command, const Common& common, Console& console);
Exit run(const RecordCommand& command, const Common& common, Console& console);
Exit run(const ReplayCommand& command, const Common& common, Console& console);
Exit run(const KeysInit& command, const Common& common, Console& console);
Exit run(const KeysShow& command, const Common& common, Console& console);
Exit run(const KeysToken& command, const Common& common, Console& console);

}  // namespace serin::ctl
