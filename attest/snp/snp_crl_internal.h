// Revocation lists of AMD's roots. For the crypto .cpp files of attest alone.
#pragma once

#include <array>
#include <chrono>
#include <span>

#include "attest/common/openssl_internal.h"
#include "attest/snp/snp_verify.h"
#include "base/result.h"

namespace locket::attest {

// Succeeds if none of `chain` (ARK, ASK, VCEK, whose signatures were checked before) is on the
// ARK's list. kPermissionDenied: none of `crls` is this ARK's, it is not signed by the ARK, it is
// not current at `now`, or one of the chain is on it. A list that proves nothing is never skipped:
// whoever can keep the current one away could otherwise undo a revocation.
Status CheckNotRevoked(const std::array<X509*, 3>& chain, std::chrono::system_clock::time_point now,
                       std::span<const SnpCrl> crls);

}  // namespace locket::attest
