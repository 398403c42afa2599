#include "attest/snp/snp_claims.h"

#include <array>
#include <string_view>

namespace locket::attest {
namespace {

// AMD 56860, PLATFORM_INFO. Bit 6 is reserved.
struct PlatformFlag {
  std::string_view name;
  uint64_t bit;
};
constexpr std::array<PlatformFlag, 7> kPlatformFlags{{{"smt", 1U << 0U},
                                                      {"tsme", 1U << 1U},
                                                      {"ecc", 1U << 2U},
                                                      {"rapl_disabled", 1U << 3U},
                                                      {"ciphertext_hiding", 1U << 4U},
                                                      {"alias_check_complete", 1U << 5U},
                                                      {"tio", 1U << 7U}}};

TcbLevels LevelsOf(const SnpTcb& tcb) {
  return {{"fmc", tcb.fmc},
          {"boot_loader", tcb.boot_loader},
          {"tee", tcb.tee},
          {"snp", tcb.snp},
          {"microcode", tcb.microcode}};
}

}  // namespace

Claims ClaimsOf(const SnpReport& report, TeeKind kind) {
  Claims claims{.tee = kind,
                .measurement = report.measurement,
                .host_data = report.host_data,
                .tcbs = {{.which = "reported", .levels = LevelsOf(report.reported_tcb)},
                         {.which = "launch", .levels = LevelsOf(report.launch_tcb)},
                         {.which = "current", .levels = LevelsOf(report.current_tcb)},
                         {.which = "committed", .levels = LevelsOf(report.committed_tcb)}},
                .debug = (report.policy & kSnpPolicyDebug) != 0,
                .migratable = (report.policy & kSnpPolicyMigrate) != 0,
                .privilege_level = report.vmpl};
  for (const auto& [name, bit] : kPlatformFlags) {
    if ((report.platform_info & bit) != 0) claims.platform.emplace(name);
  }
  return claims;
}

}  // namespace locket::attest
