#include "attest/evidence/claims.h"

#include <algorithm>

#include "attest/common/json.h"

namespace locket::attest {
namespace {

// AMD 56860, "TCB_VERSION"; fmc exists from Turin on.
constexpr std::array<std::string_view, 5> kSnpParts{"fmc", "boot_loader", "tee", "snp",
                                                    "microcode"};
// AMD 56860, "PLATFORM_INFO".
constexpr std::array<std::string_view, 7> kSnpPlatform{
    "smt", "tsme", "ecc", "rapl_disabled", "ciphertext_hiding", "alias_check_complete", "tio"};

struct TeeWords {
  TeeKind kind;
  std::string_view name;
  std::span<const std::string_view> tcb_parts;
};
// One row for each TeeKind.
constexpr std::array<TeeWords, 2> kTees{
    {{TeeKind::kSnp, "snp", kSnpParts}, {TeeKind::kEmulated, "emulated", kSnpParts}}};

}  // namespace

std::string_view TeeKindName(TeeKind kind) {
  return std::ranges::find(kTees, kind, &TeeWords::kind)->name;
}

Result<TeeKind> ParseTeeKind(std::string_view name) {
  const auto* const found = std::ranges::find(kTees, name, &TeeWords::name);
  if (found != kTees.end()) return found->kind;
  return Error(ErrorCode::kInvalidArgument,
               "TEE '" + Shortened(name) + "' is neither 'snp' nor 'emulated'");
}

std::vector<std::string_view> TcbPartNames(std::span<const TeeKind> kinds) {
  std::vector<std::string_view> names;
  for (const auto& tee : kTees) {
    if (std::ranges::find(kinds, tee.kind) == kinds.end()) continue;
    for (const auto name : tee.tcb_parts) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::span<const std::string_view> PlatformNames() { return kSnpPlatform; }

Status CheckPlatformName(std::string_view name) {
  std::string known;
  for (const auto candidate : PlatformNames()) {
    if (candidate == name) return Ok();
    known += (known.empty() ? "" : ", ") + std::string(candidate);
  }
  return Error(ErrorCode::kInvalidArgument,
               "'" + Shortened(name) + "' is none of platform_info's names: " + known);
}

}  // namespace locket::attest
