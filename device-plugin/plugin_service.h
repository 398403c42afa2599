// The kubelet's view of one resource: the DevicePlugin service of proto/device_plugin.proto.
#pragma once

#include <memory>

#include "base/listener.h"
#include "base/result.h"
#include "device-plugin/device_list.h"

namespace locket::device_plugin {

class PluginServer {
 public:
  // Serves `devices`, which outlives it, on `listener`. kUnavailable: gRPC does not start.
  static Result<std::unique_ptr<PluginServer>> Start(const DeviceList& devices, Listener listener);
  virtual ~PluginServer() = default;  // ends what runs, and removes the socket
};

}  // namespace locket::device_plugin
