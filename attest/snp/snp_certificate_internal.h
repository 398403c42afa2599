// What AMD writes into a VCEK about its chip. For the crypto .cpp files of attest alone.
#pragma once

#include <array>
#include <cstddef>

#include "attest/common/openssl_internal.h"
#include "attest/snp/snp_report.h"
#include "base/result.h"

namespace locket::attest {

// Extensions of a VCEK (AMD 57230, "VCEK certificate"): patch levels as INTEGER, chip id raw.
inline constexpr const char* kBootLoaderOid = "1.3.6.1.4.1.3704.1.3.1";
inline constexpr const char* kTeeOid = "1.3.6.1.4.1.3704.1.3.2";
inline constexpr const char* kSnpOid = "1.3.6.1.4.1.3704.1.3.3";
inline constexpr const char* kMicrocodeOid = "1.3.6.1.4.1.3704.1.3.8";
inline constexpr const char* kFmcOid = "1.3.6.1.4.1.3704.1.3.9";
inline constexpr const char* kHardwareIdOid = "1.3.6.1.4.1.3704.1.4";

// Returns the patch levels for which AMD issued the certificate. An absent FMC is 0: chips before
// Turin have none. kPermissionDenied: another extension is missing, or one is malformed.
Result<SnpTcb> VcekTcb(X509* vcek);
// Returns the chip's id in the form of a report, which pads Turin's 8 bytes with zeros.
// kPermissionDenied: the extension is missing, or has neither 8 nor 64 bytes.
Result<std::array<std::byte, 64>> VcekChipId(X509* vcek);

}  // namespace locket::attest
