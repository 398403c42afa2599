// Is this SNP report the word of a genuine chip? Chain, signature and what the certificate says
// about the chip; not whether the guest in it is one anybody wants (release_policy.h).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/snp_report.h"
#include "base/result.h"

namespace locket::attest {

// Certificates anybody can send; only `SnpRoot` is trusted.
struct SnpEvidence {
  std::vector<std::byte> report;
  std::string certificates;  // PEM, any order: VCEK or VLEK, ASK or ASVK, ARK
};

enum class TeeKind { kSnp, kEmulated };
std::string_view TeeKindName(TeeKind kind);  // "snp", "emulated": the words of a release policy
Result<TeeKind> ParseTeeKind(std::string_view name);

// A root that is trusted: the SHA-256 of its DER certificate, and what its word stands for.
struct SnpRoot {
  std::array<std::byte, 32> fingerprint;
  TeeKind kind;
};

// AMD's ARK for Milan, pinned here (Genoa's and Turin's come from a file: RootFromPem).
SnpRoot AmdMilanRoot();
// The first certificate of `pem`. kInvalidArgument: there is none.
Result<SnpRoot> RootFromPem(std::string_view pem, TeeKind kind);
// One DER certificate as PEM, for sources that have DER.
Result<std::string> CertificatePemFromDer(std::span<const std::byte> der);

inline constexpr size_t kMaxCrlBytes = 1U << 20;

// A list of certificates that an ARK revoked, as AMD publishes one for each generation.
struct SnpCrl {
  std::vector<std::byte> der;
};
// PEM or DER. kInvalidArgument: neither, or larger than kMaxCrlBytes. Nobody's signature is checked
// yet: the ARK comes with the evidence.
Result<SnpCrl> ReadSnpCrl(std::span<const std::byte> bytes);

struct VerifiedSnp {
  SnpReport report;
  TeeKind kind;
};

// Checks, and names in its error what failed (kPermissionDenied throughout, kInvalidArgument for
// bytes that are no report or certificate): the chain ARK > ASK > VCEK (or VLEK) under one of
// `roots`, each signed with RSA-PSS SHA-384 and valid at `now`; the kind of key the report claims;
// TCB and chip id in the VCEK against the report; the report's signature. With `crls`, a root of
// kind kSnp needs one that it signed and that is current at `now`, and none of the chain may be on
// it. Without any, revocation is not looked at.
Result<VerifiedSnp> VerifySnp(const SnpEvidence& evidence, std::span<const SnpRoot> roots,
                              std::chrono::system_clock::time_point now,
                              std::span<const SnpCrl> crls = {});

}  // namespace locket::attest
