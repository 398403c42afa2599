// The program: configuration to running broker, and back.
#pragma once

#include "base/result.h"
#include "key-broker/config.h"

namespace locket::key_broker {

Result<Config> LoadConfig(const std::string& file);
// Reads every file the configuration names and uses them as Run would, but opens no store and no
// port.
Status CheckConfig(const Config& config);
// Serves until a signal comes from `signal_fd` (signalfd(2)). SIGHUP is no end: it opens the audit
// log again.
Status Run(const Config& config, int signal_fd);

}  // namespace locket::key_broker
