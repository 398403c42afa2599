// Any bytes are refused, or decode to a message whose encoding decodes again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attest/emulator/tee_frame.h"
#include "attest/jose/canonical_json.h"
#include "attest/kbs/kbs_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::attest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto auth = DecodeAuthRequest(text); auth.ok()) {
    const auto again = DecodeAuthRequest(EncodeAuthRequest(*auth));
    if (!again.ok() || again->hashes != auth->hashes) std::abort();
  }
  if (const auto challenge = DecodeChallenge(text); challenge.ok()) {
    const auto again = DecodeChallenge(EncodeChallenge(*challenge));
    if (!again.ok() || again->hash != challenge->hash) std::abort();
  }
  if (const auto attest = DecodeAttestRequest(text); attest.ok()) {
    const auto again = DecodeAttestRequest(EncodeAttestRequest(*attest));
    (void)DecodeSnpEvidence(attest->evidence.primary);
    if (!again.ok() || again->evidence.primary != attest->evidence.primary) std::abort();
  }
  if (const auto problem = DecodeProblem(text); problem.ok()) {
    if (!DecodeProblem(EncodeProblem(*problem)).ok()) std::abort();
  }
  (void)DecodeAttestAnswer(text);
  (void)DecodeReportRequest(text);
  (void)DecodeReportAnswer(text);
  if (const auto canonical = CanonicalJson(text); canonical.ok()) {
    const auto again = CanonicalJson(*canonical);
    if (!again.ok() || *again != *canonical) std::abort();
  }
  return 0;
}
