// The emulated TEE's host side: a test root anybody on the machine can use, a launch measurement,
// and reports in SNP's format. It protects nothing; it lets the production verifier run unchanged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/snp_report.h"
#include "attest/snp_verify.h"
#include "attest/tee.h"
#include "base/result.h"

namespace locket::attest {

using LaunchMeasurement = std::array<std::byte, 48>;
using HostData = std::array<std::byte, 32>;

// SHA-384("locket-emulated-launch-v1\0" || SHA-384(kernel) || SHA-384(initrd) ||
// SHA-384(cmdline)).
Result<LaunchMeasurement> MeasureLaunch(const std::filesystem::path& kernel,
                                        const std::filesystem::path& initrd,
                                        std::string_view cmdline);

// Finds -kernel, -initrd and -append in QEMU's arguments and measures them. An argument QEMU would
// read as another boot source does not go unnoticed: each of the three stands exactly once, or
// kInvalidArgument.
Result<LaunchMeasurement> MeasureQemuArguments(const std::vector<std::string>& argv);

// Makes ark.pem, ask.pem, vcek.pem and their private keys (mode 0600) in `directory`, which is
// made. kAlreadyExists: there is a root already, and it stays as it is.
Status CreateTestRoot(const std::filesystem::path& directory);

// Signs reports with the keys CreateTestRoot made.
class EmulatedTee {
 public:
  struct Launch {
    LaunchMeasurement measurement;
    HostData host_data;
    uint64_t policy = kSnpPolicyReserved;
  };
  static Result<EmulatedTee> Open(const std::filesystem::path& directory, const Launch& launch);

  EmulatedTee(EmulatedTee&&) noexcept;
  EmulatedTee& operator=(EmulatedTee&&) = delete;
  ~EmulatedTee();

  Result<SnpEvidence> Report(const ReportData& report_data) const;

 private:
  struct Impl;
  explicit EmulatedTee(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
