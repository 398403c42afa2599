// The SEV-SNP attestation report (AMD 56860, table "ATTESTATION_REPORT"): 1184 bytes,
// little-endian. This header parses and writes it. Whether a genuine chip signed it is checked in
// snp_verify.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::attest {

inline constexpr size_t kSnpReportBytes = 1184;
inline constexpr size_t kSnpSignedBytes = 0x2A0;  // the signature covers these

inline constexpr uint64_t kSnpPolicyReserved = 1ULL << 17;  // must be one
inline constexpr uint64_t kSnpPolicyMigrate = 1ULL << 18;   // a migration agent may take it over
inline constexpr uint64_t kSnpPolicyDebug = 1ULL << 19;     // the host may read guest memory

// Patch levels of the secure processor's parts. `fmc` exists from Turin on.
struct SnpTcb {
  uint8_t fmc = 0;
  uint8_t boot_loader = 0;
  uint8_t tee = 0;
  uint8_t snp = 0;
  uint8_t microcode = 0;

  bool operator==(const SnpTcb&) const = default;
};

enum class SnpSigningKey { kVcek, kVlek };

struct SnpReport {
  uint32_t version = 2;  // 2 to 5
  uint32_t guest_svn = 0;
  uint64_t policy = kSnpPolicyReserved;
  std::array<std::byte, 16> family_id{};
  std::array<std::byte, 16> image_id{};
  uint32_t vmpl = 0;
  uint64_t platform_info = 0;
  SnpSigningKey signing_key = SnpSigningKey::kVcek;
  std::array<std::byte, 64> report_data{};
  std::array<std::byte, 48> measurement{};
  std::array<std::byte, 32> host_data{};
  std::array<std::byte, 32> report_id{};
  SnpTcb current_tcb{};
  SnpTcb reported_tcb{};
  SnpTcb committed_tcb{};
  SnpTcb launch_tcb{};
  uint8_t cpu_family = 0;  // version 3 on: 0x19 Milan and Genoa, 0x1A Turin
  uint8_t cpu_model = 0;
  uint8_t cpu_stepping = 0;
  std::array<std::byte, 64> chip_id{};
  // ECDSA P-384 over the first kSnpSignedBytes, big-endian here.
  std::array<std::byte, 48> signature_r{};
  std::array<std::byte, 48> signature_s{};

  bool operator==(const SnpReport&) const = default;
};

// Reads a report. Fields that SnpReport does not have are skipped; the signature covers them, too.
// kInvalidArgument: not 1184 bytes, another version, another signature algorithm, an unsigned
// report, a signature that is no P-384 number pair, or anything behind it.
Result<SnpReport> DecodeSnpReport(std::span<const std::byte> bytes);
// Returns 1184 bytes that decode to an equal report. Fields that SnpReport does not have are zero,
// so a real report does not come back byte for byte.
std::vector<std::byte> EncodeSnpReport(const SnpReport& report);

}  // namespace locket::attest
