#include "guest-agent/policy/guest_initdata.h"

#include "base/encoding.h"

namespace locket::guest_agent {
namespace {

std::string_view NameOf(initdata::InitdataAlgorithm algorithm) {
  switch (algorithm) {
    case initdata::InitdataAlgorithm::kSha384:
      return "sha384:";
    case initdata::InitdataAlgorithm::kSha512:
      return "sha512:";
    case initdata::InitdataAlgorithm::kSha256:
      break;
  }
  return "sha256:";
}

constexpr initdata::InitdataAlgorithm kAlgorithms[] = {initdata::InitdataAlgorithm::kSha256,
                                                       initdata::InitdataAlgorithm::kSha384,
                                                       initdata::InitdataAlgorithm::kSha512};

Error NotOfThisLaunch(const std::string& why) {
  return {ErrorCode::kPermissionDenied, "initdata does not belong to this launch: " + why};
}

// Which hash of these bytes `host_data` is.
Result<initdata::InitdataAlgorithm> FindAlgorithm(std::string_view toml,
                                                  const std::array<std::byte, 32>& host_data) {
  for (const auto algorithm : kAlgorithms) {
    if (initdata::HostDataFor(algorithm, toml) == host_data) return algorithm;
  }
  return NotOfThisLaunch("this guest's report has host_data " + HexEncode(host_data) +
                         ", which is no hash of it");
}

}  // namespace

Result<GuestInitdata> AcceptInitdata(std::string toml, const HostData& host_data) {
  std::optional<initdata::InitdataAlgorithm> launched;
  if (host_data) {
    LOCKET_TRY_ASSIGN(launched, FindAlgorithm(toml, *host_data));
  }
  LOCKET_TRY_ASSIGN(const auto document, initdata::DecodeInitdata(toml));
  if (launched && *launched != document.algorithm) {
    return NotOfThisLaunch("host_data is its hash under another algorithm than it names");
  }
  LOCKET_TRY_ASSIGN(auto policy, initdata::PolicyOf(document));
  std::string digest(NameOf(document.algorithm));
  digest += HexEncode(initdata::InitdataDigest(document.algorithm, toml));
  return GuestInitdata{
      .toml = std::move(toml), .digest = std::move(digest), .policy = std::move(policy)};
}

Result<std::optional<GuestInitdata>> ReadInitdataDisk(device::BlockDevices& disks,
                                                      const Clock& clock,
                                                      std::chrono::milliseconds timeout,
                                                      const HostData& host_data) {
  auto disk = device::AwaitDevice(disks, clock, initdata::kInitdataDiskSerial, timeout);
  if (!disk.ok()) {
    if (disk.error().code() != ErrorCode::kDeadlineExceeded) return std::move(disk).error();
    if (!host_data || *host_data == std::array<std::byte, 32>{}) {
      return std::optional<GuestInitdata>();
    }
    return NotOfThisLaunch("there is none, and this guest's report has host_data " +
                           HexEncode(*host_data));
  }
  LOCKET_TRY_ASSIGN(auto toml,
                    initdata::ReadInitdataDevice(disk->file.get()).While("initdata disk"));
  LOCKET_TRY_ASSIGN(auto initdata,
                    AcceptInitdata(std::move(toml), host_data).While("initdata disk"));
  return std::optional(std::move(initdata));
}

}  // namespace locket::guest_agent
