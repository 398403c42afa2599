// The program between main and the broker: what the configuration names is read, made and connected
// here. The real verifiers, store, audit log and server are chosen in run.cpp and nowhere else.
#pragma once

#include "base/result.h"
#include "key-broker/config.h"

namespace locket::key_broker {

// Reads and parses the configuration. Fails as ReadFile or ParseConfig does; messages name the
// file.
Result<Config> LoadConfig(const std::string& file);
// Reads every file that the configuration names and uses them as Run would, for --check-config.
// Opens no store and no port, and does not look at the process's limits: the service has limits of
// its own. Returns the first thing that is wrong; the message names the file or the key.
Status CheckConfig(const Config& config);
// Raises the process's soft limit of open files, then serves until a signal comes from `signal_fd`
// (signalfd(2)). SIGHUP does not end it: it opens the audit log again. kFailedPrecondition: the
// process may not have as many files or threads as the configuration needs.
Status Run(const Config& config, int signal_fd);

}  // namespace locket::key_broker
