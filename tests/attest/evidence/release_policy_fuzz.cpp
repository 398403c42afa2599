// Any bytes are refused, or are a policy that encodes to the same and that no empty guest passes
// unless it is listed.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attest/evidence/release_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::attest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& path :
       {locket::ResourceName::FromPath(text), locket::ResourceName::FromUri(text)}) {
    if (path.ok() && locket::ResourceName::FromUri(path->ToUri()).value() != *path) std::abort();
  }
  const auto policy = DecodeReleasePolicy(text);
  if (!policy.ok()) return 0;
  const auto again = DecodeReleasePolicy(EncodeReleasePolicy(*policy));
  if (!again.ok() || *again != *policy) std::abort();
  const Claims guest{.tee = TeeKind::kSnp, .tcbs = {{.which = "reported", .levels = {}}}};
  // Its firmware has no patch at all, so whoever lets it pass has said "any".
  if (Evaluate(*policy, guest).ok() && (!policy->any_tcb || !CheckReleasePolicy(*policy).ok())) {
    std::abort();
  }
  const bool listed = std::ranges::count(policy->measurements, guest.measurement) > 0;
  if (Evaluate(*policy, guest).ok() && !listed) std::abort();
  return 0;
}
