#include "guest-agent/guest_initdata.h"

#include "base/encoding.h"

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

constexpr image::InitdataAlgorithm kAlgorithms[] = {image::InitdataAlgorithm::kSha256,
                                                    image::InitdataAlgorithm::kSha384,
                                                    image::InitdataAlgorithm::kSha512};

Error NotOfThisLaunch(const std::string& why) {
  return {ErrorCode::kPermissionDenied, "initdata does not belong to this launch: " + why};
}

// Which hash of these bytes `host_data` is.
Result<image::InitdataAlgorithm> FindAlgorithm(std::string_view toml,
                                               const std::array<std::byte, 32>& host_data) {
  for (const auto algorithm : kAlgorithms) {
    if (image::HostDataFor(algorithm, toml) == host_data) return algorithm;
  }
  return NotOfThisLaunch("this guest's report has host_data " + HexEncode(host_data) +
                         ", which is no hash of it");
}

}  // namespace

Result<GuestInitdata> AcceptInitdata(std::string toml, const HostData& host_data) {
  std::optional<image::InitdataAlgorithm> launched;
  if (host_data) {
    LOCKET_TRY_ASSIGN(launched, FindAlgorithm(toml, *host_data));
  }
  LOCKET_TRY_ASSIGN(const auto document, image::DecodeInitdata(toml));
  if (launched && *launched != document.algorithm) {
    return NotOfThisLaunch("host_data is its hash under another algorithm than it names");
  }
  LOCKET_TRY_ASSIGN(auto policy, image::PolicyOf(document));
  std::string digest(NameOf(document.algorithm));
  digest += HexEncode(image::InitdataDigest(document.algorithm, toml));
  return GuestInitdata{
      .toml = std::move(toml), .digest = std::move(digest), .policy = std::move(policy)};
}

Result<std::optional<GuestInitdata>> ReadInitdataDisk(device::BlockDevices& disks,
                                                      const Clock& clock,
                                                      std::chrono::milliseconds timeout,
                                                      const HostData& host_data) {
  auto disk = device::AwaitDevice(disks, clock, image::kInitdataDiskSerial, timeout);
  if (!disk.ok()) {
    if (disk.error().code() != ErrorCode::kDeadlineExceeded) return std::move(disk).error();
    if (!host_data || *host_data == std::array<std::byte, 32>{}) {
      return std::optional<GuestInitdata>();
    }
    return NotOfThisLaunch("there is none, and this guest's report has host_data " +
                           HexEncode(*host_data));
  }
  LOCKET_TRY_ASSIGN(auto toml, image::ReadInitdataDevice(disk->file.get()).While("initdata disk"));
  LOCKET_TRY_ASSIGN(auto initdata,
                    AcceptInitdata(std::move(toml), host_data).While("initdata disk"));
  return std::optional(std::move(initdata));
}

}  // namespace locket::guest_agent
