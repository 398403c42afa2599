// Keys of the emulated root, and reports signed with any key. For tests that see OpenSSL.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "attest/common/openssl_internal.h"
#include "attest/snp/snp_report.h"

namespace locket::attest {

// `name` is "ark", "ask" or "vcek".
PkeyPtr TestRootKey(const std::string& name);
X509Ptr TestRootCertificate(const std::string& name);

// The bytes of `report` with the ECDSA signature of `key`, which may be on any curve up to P-384.
std::vector<std::byte> SignWith(EVP_PKEY* key, SnpReport report);

}  // namespace locket::attest
