// An SNP report in the words of claims.h.
#pragma once

#include "attest/evidence/claims.h"
#include "attest/snp/snp_report.h"

namespace locket::attest {

// `kind` is kSnp or kEmulated, as the root under which `report` was verified says.
Claims ClaimsOf(const SnpReport& report, TeeKind kind);

}  // namespace locket::attest
