// Which guests may have a resource (docs/decisions/0005). Absent means deny.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attest/evidence/claims.h"
#include "base/resource_name.h"
#include "base/result.h"

namespace locket::attest {

struct ReleasePolicy {
  ResourceName resource;
  std::vector<TeeKind> tee;                     // any of these
  std::vector<LaunchMeasurement> measurements;  // any of these
  std::vector<HostData> host_data;              // any of these
  // The least level of each firmware part (names: TcbPartNames). Empty or all zero: nothing was
  // said, and guests of genuine TEEs get nothing.
  TcbLevels min_tcb{};
  bool any_tcb = false;                       // "any": said in so many words
  std::set<std::string> platform_required{};  // settings (PlatformNames) that have to be on
  std::set<std::string> platform_refused{};   // settings that have to be off
  bool allow_debug = false;

  bool operator==(const ReleasePolicy&) const = default;
};

// Whether `policy` states a minimum for a part of `kind`'s firmware.
bool StatesMinimumTcb(const ReleasePolicy& policy, TeeKind kind);

// JSON: {"resource":"a/b/c","tee":["snp"],"measurements":["<96 hex>"],"host_data":["<64 hex>"],
// "min_tcb":{"boot_loader":3,"tee":0,"snp":8,"microcode":115,"fmc":0},
// "platform_info":{"required":["alias_check_complete"],"refused":["smt"]},"allow_debug":false}.
// The last three may be absent; "min_tcb" may be "any". Unknown keys, empty lists (which would
// release to no one), and a minimum with a part left out are refused: kInvalidArgument. A stored
// minimum of zeros means that nothing was said: such policies were once made in silence.
Result<ReleasePolicy> DecodeReleasePolicy(std::string_view json);
std::string EncodeReleasePolicy(const ReleasePolicy& policy);

// For a policy that is about to be stored. kInvalidArgument: it names a genuine TEE and no minimum
// TCB; the message says what to give.
Status CheckReleasePolicy(const ReleasePolicy& policy);

// May the guest with these claims have the resource? kPermissionDenied names the field and the
// value seen. The minimum TCB holds for each Tcb of the claims: what the guest was launched under,
// what runs now, what the host cannot go back below, and what the signing key is made for. Whatever
// the policy says, a guest that a migration agent may export gets nothing, nor does one that
// reports from another privilege level than 0.
Status Evaluate(const ReleasePolicy& policy, const Claims& guest);

}  // namespace locket::attest
