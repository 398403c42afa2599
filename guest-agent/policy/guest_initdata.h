// The tenant's word, as it reached this guest.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "device/block_devices.h"
#include "initdata/initdata.h"

namespace locket::guest_agent {

struct GuestInitdata {
  std::string toml;
  std::string digest;  // "sha256:<hex>", or of its own algorithm
  initdata::GuestPolicy policy;
};

// What host_data of a guest's own report has to be. Empty: no TEE tells.
using HostData = std::optional<std::array<std::byte, 32>>;

// Reads the disk with initdata's serial, and takes nothing of the document before its hash. Nothing
// if there is none. kPermissionDenied: `host_data` is not what launching with it (or without any:
// zeros) would have given. Another error: there is a disk and it is not sound.
Result<std::optional<GuestInitdata>> ReadInitdataDisk(device::BlockDevices& disks,
                                                      const Clock& clock,
                                                      std::chrono::milliseconds timeout,
                                                      const HostData& host_data);

// The document, if its hash under one of initdata's algorithms begins with `host_data` and it names
// that algorithm. kPermissionDenied: under none, or under another; nothing was decoded before the
// hashes were compared. Without `host_data` the document's own algorithm counts.
Result<GuestInitdata> AcceptInitdata(std::string toml, const HostData& host_data);

}  // namespace locket::guest_agent
