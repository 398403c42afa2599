// Revocation lists of AMD's roots. For the crypto .cpp files of attest alone.
#pragma once

#include <array>
#include <chrono>
#include <span>

#include "attest/openssl_internal.h"
#include "attest/snp_verify.h"
#include "base/result.h"

namespace locket::attest {

// `chain`: ARK, ASK, VCEK, whose signatures are checked already. kPermissionDenied: none of `crls`
// is this ARK's, it is not signed by it or not current, or one of the chain is on it.
Status CheckNotRevoked(const std::array<X509*, 3>& chain, std::chrono::system_clock::time_point now,
                       std::span<const SnpCrl> crls);

}  // namespace locket::attest
