// Whether an SNP report was signed by a genuine chip: its certificate chain, its signature, and
// what the certificate says about the chip. Whether anybody wants the guest is for a release policy
// to say (release_policy.h).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/snp/snp_evidence.h"
#include "attest/snp/snp_report.h"
#include "base/result.h"

namespace locket::attest {

// A root certificate that is trusted, by the SHA-256 of its DER form.
struct SnpRoot {
  std::array<std::byte, 32> fingerprint;

  bool operator==(const SnpRoot&) const = default;
};

// Returns AMD's ARK for Milan, whose fingerprint is pinned here. Genoa's and Turin's come from
// files that the administrator fetched from AMD: RootFromPem.
SnpRoot AmdMilanRoot();
// Returns the first certificate of `pem` as a root. kInvalidArgument: there is none.
Result<SnpRoot> RootFromPem(std::string_view pem);
// Whether `root` is among the certificates of `pem`. False also where they cannot be read.
bool HasRoot(std::string_view pem, const SnpRoot& root);
inline constexpr size_t kMaxCrlBytes = 1U << 20;

// A list of certificates that an ARK revoked. AMD publishes one for each generation of chips at
// https://kdsintf.amd.com/vcek/v1/Milan/crl (and Genoa, Turin).
struct SnpCrl {
  std::vector<std::byte> der;
};
// Reads a list in PEM or DER. Its signature is checked when evidence is verified, because the ARK's
// key comes with the evidence. kInvalidArgument: neither form, or larger than kMaxCrlBytes.
Result<SnpCrl> ReadSnpCrl(std::span<const std::byte> bytes);

// Returns the report of `evidence` if all of these hold:
//   * The certificates contain a chain ARK > ASK > VCEK (or ASVK > VLEK) under one of `roots`, each
//     signed with RSA-PSS and SHA-384 and valid at `now`. Order and further certificates do not
//     matter, but there may be one leaf only.
//   * With `crls`: one is signed by the chain's root and current at `now`, and lists none of the
//     chain. Without any, revocation is not looked at.
//   * The leaf is of the kind that the report names, on P-384, and signed the report.
//   * The patch levels in the leaf are the report's, and so is the chip id in a VCEK.
// kPermissionDenied: one does not hold; the message says which. kInvalidArgument: the bytes are not
// a report, or not certificates in PEM form (at most 16, at most 256 KiB).
Result<SnpReport> VerifySnp(const SnpEvidence& evidence, std::span<const SnpRoot> roots,
                            std::chrono::system_clock::time_point now,
                            std::span<const SnpCrl> crls = {});

}  // namespace locket::attest
