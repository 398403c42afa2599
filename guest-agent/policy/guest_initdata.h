// Initdata, what the tenant tells the guest (docs/formats/initdata.md), as this guest received it.
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

// An initdata document that was accepted, and the policy in it.
struct GuestInitdata {
  std::string toml;
  std::string digest;  // of `toml`, by the document's own algorithm: "sha256:<hex>"
  initdata::GuestPolicy policy;
};

// host_data of the guest's own attestation report: what the launch bound initdata to. Absent: the
// guest has no TEE.
using HostData = std::optional<std::array<std::byte, 32>>;

// Waits up to `timeout` for the disk with initdata's serial number, and reads the document on it as
// AcceptInitdata does. Returns nothing if there is no disk and the launch was without initdata
// (host_data is all zeros, or there is no TEE). kPermissionDenied: the disk, or that there is none,
// does not match `host_data`. Another error: there is a disk, and it is damaged.
Result<std::optional<GuestInitdata>> ReadInitdataDisk(device::BlockDevices& disks,
                                                      const Clock& clock,
                                                      std::chrono::milliseconds timeout,
                                                      const HostData& host_data);

// Returns the document if its hash begins with `host_data` under the algorithm that the document
// names. The hashes under all of initdata's algorithms are compared before anything of the document
// is decoded. Without `host_data` nothing is compared. kPermissionDenied: no hash matches, or only
// one of another algorithm than the document names. kInvalidArgument: the document is malformed.
Result<GuestInitdata> AcceptInitdata(std::string toml, const HostData& host_data);

}  // namespace locket::guest_agent
