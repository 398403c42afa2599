// The kubelet's view of one resource: the DevicePlugin service of proto/device_plugin.proto. The
// kubelet keeps one call of ListAndWatch open and gets the list again whenever it changes. For each
// container that asks for a device it calls Allocate, which hands in no files and no variables: a
// guest's key is taken when the VM starts, so a device is a number and nothing more.
#pragma once

#include <memory>

#include "base/listener.h"
#include "base/result.h"
#include "device-plugin/device_list.h"

namespace locket::device_plugin {

class PluginServer {
 public:
  // Returns a server that answers by now, on threads of its own. `devices` outlives it. It takes
  // over `listener`, whose socket is removed with it, also on failure. kUnavailable: gRPC does not
  // start.
  static Result<std::unique_ptr<PluginServer>> Start(const DeviceList& devices, Listener listener);
  virtual ~PluginServer() = default;  // ends what runs, and removes the socket
};

}  // namespace locket::device_plugin
