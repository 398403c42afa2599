#include "guest-agent/guest_initdata.h"

#include <fcntl.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::guest_agent {
namespace {

std::string_view NameOf(image::InitdataAlgorithm algorithm) {
  switch (algorithm) {
    case image::InitdataAlgorithm::kSha384:
      return "sha384:";
    case image::InitdataAlgorithm::kSha512:
      return "sha512:";
    case image::InitdataAlgorithm::kSha256:
      break;
  }
  return "sha256:";
}

}  // namespace

Result<GuestInitdata> InterpretInitdata(std::string toml) {
  LOCKET_TRY_ASSIGN(const auto document, image::DecodeInitdata(toml));
  LOCKET_TRY_ASSIGN(auto policy, image::PolicyOf(document));
  std::string digest(NameOf(document.algorithm));
  digest += HexEncode(image::InitdataDigest(document.algorithm, toml));
  const auto host_data = image::HostDataFor(document.algorithm, toml);
  return GuestInitdata{.toml = std::move(toml),
                       .digest = std::move(digest),
                       .host_data = host_data,
                       .policy = std::move(policy)};
}

Result<std::optional<GuestInitdata>> ReadInitdataDisk(device::BlockDevices& disks,
                                                      const Clock& clock,
                                                      std::chrono::milliseconds timeout) {
  auto disk = device::AwaitDevice(disks, clock, image::kInitdataDiskSerial, timeout);
  if (!disk.ok()) {
    if (disk.error().code() == ErrorCode::kDeadlineExceeded) return std::optional<GuestInitdata>();
    return std::move(disk).error();
  }
  LOCKET_TRY_ASSIGN(auto toml, image::ReadInitdataDevice(disk->file.get()).While("initdata disk"));
  LOCKET_TRY_ASSIGN(auto initdata, InterpretInitdata(std::move(toml)).While("initdata disk"));
  return std::optional(std::move(initdata));
}

Status CheckHostData(const std::optional<GuestInitdata>& initdata,
                     std::span<const std::byte> report_host_data) {
  const std::array<std::byte, 32> expected =
      initdata ? initdata->host_data : std::array<std::byte, 32>{};
  if (std::equal(expected.begin(), expected.end(), report_host_data.begin(),
                 report_host_data.end())) {
    return Ok();
  }
  return Error(ErrorCode::kPermissionDenied,
               "initdata does not belong to this launch: host_data should be " +
                   HexEncode(expected) + " and this guest's report has " +
                   HexEncode(report_host_data));
}

}  // namespace locket::guest_agent
