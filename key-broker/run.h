// The program: configuration to running broker, and back.
#pragma once

#include "base/result.h"
#include "key-broker/config.h"

namespace locket::key_broker {

Result<Config> LoadConfig(const std::string& file);
// Reads every file the configuration names and uses them as Run would, but opens no store and no
// port.
Status CheckConfig(const Config& config);
// Serves until `stop_fd` becomes readable.
Status Run(const Config& config, int stop_fd);

}  // namespace locket::key_broker
