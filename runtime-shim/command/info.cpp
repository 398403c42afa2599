#include "base/version.h"
#include "proto/runtime_info.pb.h"
#include "runtime-shim/command/commands.h"

namespace locket::runtime_shim {

Result<std::string> RunInfo(std::string_view options) {
  ::containerd::types::RuntimeInfo info;
  info.set_name("io.containerd.locket.v2");
  info.mutable_version()->set_version(std::string(kVersion));
  // Refused here already, as `start` would refuse them.
  LOCKET_TRY(ConfigPathFromOptions(options));
  if (!options.empty()) info.mutable_options()->ParseFromString(std::string(options));
  return info.SerializeAsString();
}

}  // namespace locket::runtime_shim
