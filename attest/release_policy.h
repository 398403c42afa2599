// Which guests may have a resource (docs/decisions/0005). Absent means deny.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attest/snp_report.h"
#include "attest/snp_verify.h"
#include "base/resource_name.h"
#include "base/result.h"

namespace locket::attest {

// Bits of a report's platform_info that a policy may ask about, by name: smt, tsme, ecc,
// rapl_disabled, ciphertext_hiding, alias_check_complete, tio.
Result<uint64_t> PlatformBit(std::string_view name);

struct ReleasePolicy {
  ResourceName resource;
  std::vector<TeeKind> tee;                             // any of these
  std::vector<std::array<std::byte, 48>> measurements;  // any of these
  std::vector<std::array<std::byte, 32>> host_data;     // any of these
  // Each part at least. All zero: nothing was said, and guests of kind snp get nothing.
  SnpTcb min_tcb{};
  bool any_tcb = false;            // "any": said in so many words
  uint64_t platform_required = 0;  // bits that have to be set in platform_info
  uint64_t platform_refused = 0;   // bits that must not
  bool allow_debug = false;

  bool operator==(const ReleasePolicy&) const = default;
};

// JSON: {"resource":"a/b/c","tee":["snp"],"measurements":["<96 hex>"],"host_data":["<64 hex>"],
// "min_tcb":{"boot_loader":3,"tee":0,"snp":8,"microcode":115,"fmc":0},
// "platform_info":{"required":["alias_check_complete"],"refused":["smt"]},"allow_debug":false}.
// The last three may be absent; "min_tcb" may be "any". Unknown keys, empty lists (which would
// release to no one), and a minimum with a part left out are refused: kInvalidArgument. A stored
// minimum of zeros means that nothing was said: such policies were once made in silence.
Result<ReleasePolicy> DecodeReleasePolicy(std::string_view json);
std::string EncodeReleasePolicy(const ReleasePolicy& policy);

// For a policy that is about to be stored. kInvalidArgument: it names snp and no minimum TCB; the
// message says what to give.
Status CheckReleasePolicy(const ReleasePolicy& policy);

// May this guest have it? kPermissionDenied names the field and the value seen. The minimum TCB
// holds for what the guest was launched under, what runs now, what the host cannot roll back from,
// and what the report's key is made for. Whatever the policy says, a guest that a migration agent
// may export gets nothing, nor does one that reports from another VMPL than 0.
Status Evaluate(const ReleasePolicy& policy, const VerifiedSnp& guest);

}  // namespace locket::attest
