// Tells the kubelet of a resource: the Registration service of proto/device_plugin.proto.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace locket::device_plugin {

struct Registration {
  std::filesystem::path kubelet;  // its socket
  std::string endpoint;           // our socket's name in the same directory
  std::string resource;
  std::chrono::milliseconds timeout;
};

// Registers the resource once, and returns when the kubelet has taken it: it then connects to our
// socket. The kubelet forgets it when it is restarted.
// kCancelled: `stop_fd` became readable meanwhile. kUnavailable: nobody listens on the socket.
// kDeadlineExceeded: no answer within `timeout`. kFailedPrecondition: the kubelet does not want it;
// the message has its reason (another version of the API, a malformed name).
Status Register(const Registration& registration, int stop_fd);

}  // namespace locket::device_plugin
