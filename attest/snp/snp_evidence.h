// SEV-SNP's evidence: a report and the certificates that vouch for its signature.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::attest {

// The name in the KBS protocol. The emulated TEE uses it, too.
inline constexpr std::string_view kSnpTee = "snp";

// Anybody can send both; only an `SnpRoot` (snp_verify.h) is trusted.
struct SnpEvidence {
  std::vector<std::byte> report;
  std::string certificates;  // PEM, any order: VCEK or VLEK, ASK or ASVK, ARK
};

// The KBS protocol's "primary_evidence" of "snp": {"attestation_report":"<base64>",
// "cert_chain":"<PEM>"}.
std::string EncodeSnpEvidence(const SnpEvidence& evidence);
// kInvalidArgument: not such an object. Whether the bytes are a report is not looked at.
Result<SnpEvidence> DecodeSnpEvidence(std::string_view primary_evidence);

}  // namespace locket::attest
