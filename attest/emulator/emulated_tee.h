// The emulated TEE's host side: a test root that anybody on the machine can use, a launch
// measurement, and reports in SNP's format. It protects nothing. It is there so that all the code
// around a TEE, the production verifier included, runs unchanged on machines without one.
//
// `locket-tee-emulator init` calls CreateTestRoot once. For each VM, `locket-tee-emulator launch`
// measures QEMU's arguments, opens an EmulatedTee with that measurement, and signs what the guest
// asks for until QEMU ends (emulator.h).
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

#include "attest/evidence/claims.h"
#include "attest/snp/snp_evidence.h"
#include "attest/snp/snp_report.h"
#include "base/result.h"

namespace locket::attest {

// Returns SHA-384("locket-emulated-launch-v1\0" || SHA-384(kernel) || SHA-384(initrd) ||
// SHA-384(cmdline)). Fails if a file cannot be read; the message names it.
Result<LaunchMeasurement> MeasureLaunch(const std::filesystem::path& kernel,
                                        const std::filesystem::path& initrd,
                                        std::string_view cmdline);

// Finds -kernel, -initrd and -append in QEMU's arguments and measures them. kInvalidArgument: one
// of the three does not occur exactly once. QEMU takes the last of several, so nothing could be
// said about what boots.
Result<LaunchMeasurement> MeasureQemuArguments(const std::vector<std::string>& argv);

// Makes ark.pem, ask.pem, vcek.pem and their private keys (mode 0600) in `directory`, which is made
// (mode 0700) unless it is there. ark.pem is written last: a directory that has it is complete, and
// after a failure the call can be repeated. kAlreadyExists: there is a root already; nothing was
// changed.
Status CreateTestRoot(const std::filesystem::path& directory);

// One launch of a guest: signs reports about it with the keys that CreateTestRoot made. Patch
// levels and chip id are those in vcek.pem. Thread-safe.
class EmulatedTee {
 public:
  struct Launch {
    LaunchMeasurement measurement;
    HostData host_data;
    uint64_t policy = kSnpPolicyReserved;  // SNP's guest policy: neither debugging nor migration
  };
  // Reads keys and certificates. Fails, with the file's name, if one is missing or malformed.
  static Result<EmulatedTee> Open(const std::filesystem::path& directory, const Launch& launch);

  EmulatedTee(EmulatedTee&&) noexcept;
  EmulatedTee& operator=(EmulatedTee&&) = delete;
  ~EmulatedTee();

  // Returns a report that carries `report_data`, with its certificates.
  Result<SnpEvidence> Report(const ReportData& report_data) const;

 private:
  struct Impl;
  explicit EmulatedTee(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
