// The tenant's word, as it reached this guest.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "device/block_devices.h"
#include "image/initdata.h"

namespace locket::guest_agent {

struct GuestInitdata {
  std::string toml;
  std::string digest;  // "sha256:<hex>", or of its own algorithm
  std::array<std::byte, 32> host_data;
  image::GuestPolicy policy;
};

// Decodes and digests the document.
Result<GuestInitdata> InterpretInitdata(std::string toml);

// Reads the disk with initdata's serial. Nothing if there is none. An error: there is one and it is
// not sound.
Result<std::optional<GuestInitdata>> ReadInitdataDisk(device::BlockDevices& disks,
                                                      const Clock& clock,
                                                      std::chrono::milliseconds timeout);

// kPermissionDenied unless `report_host_data`, from the guest's own report, is what launching with
// `initdata` (or with none: zeros) would have given.
Status CheckHostData(const std::optional<GuestInitdata>& initdata,
                     std::span<const std::byte> report_host_data);

}  // namespace locket::guest_agent
