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

// Gives up when `stop_fd` is readable (kCancelled). kUnavailable: nobody listens.
// kDeadlineExceeded: no answer. kFailedPrecondition: the kubelet does not want it; the message has
// its reason.
Status Register(const Registration& registration, int stop_fd);

}  // namespace locket::device_plugin
