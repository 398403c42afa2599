// The program: configuration to running broker, and back.
#pragma once

#include "base/result.h"
#include "key-broker/config.h"

namespace locket::key_broker {

Result<Config> LoadConfig(const std::string& file);
// Reads every file the configuration names and uses them as Run would, but opens no store and no
// port, and does not look at the process's limits: the service has limits of its own.
Status CheckConfig(const Config& config);
// Raises the process's soft limit of open files, then serves until a signal comes from `signal_fd`
// (signalfd(2)). SIGHUP does not end it: it opens the audit log again. kFailedPrecondition: the
// process may not have as many files or threads as the configuration needs.
Status Run(const Config& config, int signal_fd);

}  // namespace locket::key_broker
