#include "attest/snp/snp_report.h"

#include <algorithm>

namespace locket::attest {
namespace {

constexpr uint32_t kMinVersion = 2;
constexpr uint32_t kMaxVersion = 5;
constexpr uint32_t kEcdsaP384Sha384 = 1;
constexpr uint8_t kTurinFamily = 0x1A;
constexpr size_t kComponentBytes = 72;  // r and s, little-endian, padded with zeros

// Offsets of the fields.
constexpr size_t kVersionAt = 0x00;
constexpr size_t kGuestSvnAt = 0x04;
constexpr size_t kPolicyAt = 0x08;
constexpr size_t kFamilyIdAt = 0x10;
constexpr size_t kImageIdAt = 0x20;
constexpr size_t kVmplAt = 0x30;
constexpr size_t kAlgorithmAt = 0x34;
constexpr size_t kCurrentTcbAt = 0x38;
constexpr size_t kPlatformInfoAt = 0x40;
constexpr size_t kKeyFlagsAt = 0x48;
constexpr size_t kReportDataAt = 0x50;
constexpr size_t kMeasurementAt = 0x90;
constexpr size_t kHostDataAt = 0xC0;
constexpr size_t kReportIdAt = 0x140;
constexpr size_t kReportedTcbAt = 0x180;
constexpr size_t kCpuFamilyAt = 0x188;
constexpr size_t kChipIdAt = 0x1A0;
constexpr size_t kCommittedTcbAt = 0x1E0;
constexpr size_t kLaunchTcbAt = 0x1F0;
constexpr size_t kSignatureRAt = kSnpSignedBytes;
constexpr size_t kSignatureSAt = kSignatureRAt + kComponentBytes;

template <typename T>
T Get(std::span<const std::byte> bytes, size_t at) {
  T value = 0;
  for (size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>(value << 8U | std::to_integer<T>(bytes[at + i]));
  }
  return value;
}

template <typename T>
void Put(std::span<std::byte> bytes, size_t at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[at + i] = static_cast<std::byte>(value >> 8 * i & 0xFFU);
  }
}

template <size_t N>
std::array<std::byte, N> GetArray(std::span<const std::byte> bytes, size_t at) {
  std::array<std::byte, N> out{};
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), N, out.begin());
  return out;
}

template <size_t N>
void PutArray(std::span<std::byte> bytes, size_t at, const std::array<std::byte, N>& value) {
  std::copy(value.begin(), value.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

// Where each part stands in the eight bytes; Turin moved them to make room for the FMC.
SnpTcb GetTcb(std::span<const std::byte> bytes, size_t at, bool turin) {
  const auto part = [&](size_t i) { return std::to_integer<uint8_t>(bytes[at + i]); };
  if (turin) {
    return {.fmc = part(0),
            .boot_loader = part(1),
            .tee = part(2),
            .snp = part(3),
            .microcode = part(7)};
  }
  return {.boot_loader = part(0), .tee = part(1), .snp = part(6), .microcode = part(7)};
}

void PutTcb(std::span<std::byte> bytes, size_t at, const SnpTcb& tcb, bool turin) {
  const auto part = [&](size_t i, uint8_t value) { bytes[at + i] = std::byte{value}; };
  if (turin) part(0, tcb.fmc);
  part(turin ? 1 : 0, tcb.boot_loader);
  part(turin ? 2 : 1, tcb.tee);
  part(turin ? 3 : 6, tcb.snp);
  part(7, tcb.microcode);
}

Result<std::array<std::byte, 48>> GetComponent(std::span<const std::byte> bytes, size_t at) {
  std::array<std::byte, 48> out{};
  for (size_t i = 0; i < kComponentBytes; ++i) {
    const std::byte value = bytes[at + i];
    if (i < out.size()) {
      out[out.size() - 1 - i] = value;
    } else if (value != std::byte{0}) {
      return Error(ErrorCode::kInvalidArgument, "SNP report: the signature is longer than P-384's");
    }
  }
  return out;
}

void PutComponent(std::span<std::byte> bytes, size_t at, const std::array<std::byte, 48>& value) {
  for (size_t i = 0; i < value.size(); ++i) bytes[at + i] = value[value.size() - 1 - i];
}

// Bits 4:2 of the flags: which key signed.
Result<SnpSigningKey> GetSigningKey(uint32_t flags) {
  switch (flags >> 2U & 7U) {
    case 0:
      return SnpSigningKey::kVcek;
    case 1:
      return SnpSigningKey::kVlek;
    default:
      return Error(ErrorCode::kInvalidArgument,
                   "SNP report: it is signed by neither VCEK nor VLEK");
  }
}

Error Unsupported(std::string_view what, uint32_t value) {
  return {ErrorCode::kInvalidArgument,
          "SNP report: " + std::string(what) + " " + std::to_string(value) + " is not supported"};
}

// The signature does not cover what stands behind it, so nothing may.
bool EndIsZero(std::span<const std::byte> bytes) {
  const auto end = bytes.subspan(kSignatureSAt + kComponentBytes);
  return std::all_of(end.begin(), end.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool IsTurin(const SnpReport& report) {
  return report.version >= 3 && report.cpu_family >= kTurinFamily;
}

}  // namespace

Result<SnpReport> DecodeSnpReport(std::span<const std::byte> bytes) {
  if (bytes.size() != kSnpReportBytes) {
    return Error(ErrorCode::kInvalidArgument,
                 "SNP report: " + std::to_string(bytes.size()) + " bytes, not 1184");
  }
  SnpReport report;
  report.version = Get<uint32_t>(bytes, kVersionAt);
  if (report.version < kMinVersion || report.version > kMaxVersion) {
    return Unsupported("version", report.version);
  }
  const auto algorithm = Get<uint32_t>(bytes, kAlgorithmAt);
  if (algorithm != kEcdsaP384Sha384) return Unsupported("signature algorithm", algorithm);
  LOCKET_TRY_ASSIGN(report.signing_key, GetSigningKey(Get<uint32_t>(bytes, kKeyFlagsAt)));
  report.guest_svn = Get<uint32_t>(bytes, kGuestSvnAt);
  report.policy = Get<uint64_t>(bytes, kPolicyAt);
  report.family_id = GetArray<16>(bytes, kFamilyIdAt);
  report.image_id = GetArray<16>(bytes, kImageIdAt);
  report.vmpl = Get<uint32_t>(bytes, kVmplAt);
  report.platform_info = Get<uint64_t>(bytes, kPlatformInfoAt);
  report.report_data = GetArray<64>(bytes, kReportDataAt);
  report.measurement = GetArray<48>(bytes, kMeasurementAt);
  report.host_data = GetArray<32>(bytes, kHostDataAt);
  report.report_id = GetArray<32>(bytes, kReportIdAt);
  if (report.version >= 3) {
    report.cpu_family = Get<uint8_t>(bytes, kCpuFamilyAt);
    report.cpu_model = Get<uint8_t>(bytes, kCpuFamilyAt + 1);
    report.cpu_stepping = Get<uint8_t>(bytes, kCpuFamilyAt + 2);
  }
  const bool turin = IsTurin(report);
  report.current_tcb = GetTcb(bytes, kCurrentTcbAt, turin);
  report.reported_tcb = GetTcb(bytes, kReportedTcbAt, turin);
  report.committed_tcb = GetTcb(bytes, kCommittedTcbAt, turin);
  report.launch_tcb = GetTcb(bytes, kLaunchTcbAt, turin);
  report.chip_id = GetArray<64>(bytes, kChipIdAt);
  if (!EndIsZero(bytes)) {
    return Error(ErrorCode::kInvalidArgument, "SNP report: something stands behind the signature");
  }
  LOCKET_TRY_ASSIGN(report.signature_r, GetComponent(bytes, kSignatureRAt));
  LOCKET_TRY_ASSIGN(report.signature_s, GetComponent(bytes, kSignatureSAt));
  return report;
}

std::vector<std::byte> EncodeSnpReport(const SnpReport& report) {
  std::vector<std::byte> out(kSnpReportBytes);
  Put(out, kVersionAt, report.version);
  Put(out, kGuestSvnAt, report.guest_svn);
  Put(out, kPolicyAt, report.policy);
  PutArray(out, kFamilyIdAt, report.family_id);
  PutArray(out, kImageIdAt, report.image_id);
  Put(out, kVmplAt, report.vmpl);
  Put(out, kAlgorithmAt, kEcdsaP384Sha384);
  Put(out, kPlatformInfoAt, report.platform_info);
  Put(out, kKeyFlagsAt, report.signing_key == SnpSigningKey::kVlek ? 1U << 2U : 0U);
  PutArray(out, kReportDataAt, report.report_data);
  PutArray(out, kMeasurementAt, report.measurement);
  PutArray(out, kHostDataAt, report.host_data);
  PutArray(out, kReportIdAt, report.report_id);
  if (report.version >= 3) {
    Put(out, kCpuFamilyAt, report.cpu_family);
    Put(out, kCpuFamilyAt + 1, report.cpu_model);
    Put(out, kCpuFamilyAt + 2, report.cpu_stepping);
  }
  const bool turin = IsTurin(report);
  PutTcb(out, kCurrentTcbAt, report.current_tcb, turin);
  PutTcb(out, kReportedTcbAt, report.reported_tcb, turin);
  PutTcb(out, kCommittedTcbAt, report.committed_tcb, turin);
  PutTcb(out, kLaunchTcbAt, report.launch_tcb, turin);
  PutArray(out, kChipIdAt, report.chip_id);
  PutComponent(out, kSignatureRAt, report.signature_r);
  PutComponent(out, kSignatureSAt, report.signature_s);
  return out;
}

}  // namespace locket::attest
