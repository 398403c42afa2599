// Any bytes are refused, or are a report that encodes to one that decodes to the same. What follows
// the report counts as its certificates, for which nobody vouches.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "attest/snp/snp_verify.h"
#include "base/encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto report = bytes.first(std::min(size, attest::kSnpReportBytes));
  if (const auto decoded = attest::DecodeSnpReport(report); decoded.ok()) {
    const auto again = attest::DecodeSnpReport(attest::EncodeSnpReport(*decoded));
    if (!again.ok() || *again != *decoded) std::abort();
  }
  const std::string certificates(AsText(bytes.subspan(report.size())));
  (void)attest::RootFromPem(certificates);
  // Without a root nobody can be believed, whatever is said.
  const auto now = std::chrono::system_clock::time_point(std::chrono::seconds(1'800'000'000));
  const attest::SnpEvidence evidence{.report = {report.begin(), report.end()},
                                     .certificates = certificates};
  if (attest::VerifySnp(evidence, {}, now).ok()) std::abort();
  if (const auto crl = attest::ReadSnpCrl(bytes); crl.ok()) {
    const auto again = attest::ReadSnpCrl(crl->der);
    if (!again.ok() || again->der != crl->der) std::abort();
    (void)attest::VerifySnp(evidence, std::array{attest::AmdMilanRoot()}, now, std::array{*crl});
  }
  return 0;
}
