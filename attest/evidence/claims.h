// What a verifier found out about a guest, in words that are the same for every TEE.
//
// Everything behind a verifier (release policy, session token, audit log) sees claims only and
// never a TEE's own report. So a new TEE needs a verifier (verifier.h) and, where it has names of
// its own for firmware parts or platform settings, a row in the table of claims.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::attest {

// The TEEs that a release policy can name. kEmulated is a test root that anybody on its machine
// can use: its claims have the form of kSnp's and prove nothing.
enum class TeeKind { kSnp, kEmulated };

// Returns the word for `kind` in release policies, tokens and audit logs: "snp", "emulated".
std::string_view TeeKindName(TeeKind kind);
// kInvalidArgument: `name` is not one of these words.
Result<TeeKind> ParseTeeKind(std::string_view name);
// Whether the host cannot forge what a guest of this kind claims.
inline bool IsGenuine(TeeKind kind) { return kind != TeeKind::kEmulated; }

// What the firmware measured when the guest was launched (SNP: MEASUREMENT, SHA-384).
using LaunchMeasurement = std::array<std::byte, 48>;
// What the host passed into the launch and cannot change afterwards (SNP: HOST_DATA). A guest of
// ours has the digest of its initdata there.
using HostData = std::array<std::byte, 32>;
// What the guest asked the TEE to sign (SNP: REPORT_DATA).
using ReportData = std::array<std::byte, 64>;

// Patch levels of the firmware parts that a guest's protection rests on, by the part's name.
using TcbLevels = std::map<std::string, uint8_t, std::less<>>;

// One statement of a TEE about its patch levels.
struct Tcb {
  // Which: "reported" (the one the signing key was made for), "launch" (when the guest started),
  // "current" (now), "committed" (the host cannot go back below it).
  std::string which;
  TcbLevels levels;

  bool operator==(const Tcb&) const = default;
};

struct Claims {
  TeeKind tee;
  LaunchMeasurement measurement{};
  HostData host_data{};
  std::vector<Tcb> tcbs{};           // a minimum TCB has to hold for each
  std::set<std::string> platform{};  // settings that are on, by name: "smt", "ecc", ...
  bool debug = false;                // the host may read the guest's memory
  bool migratable = false;           // an agent that the measurement does not cover may export it
  // The privilege level inside the guest from which the report was requested; 0 is the highest
  // (SNP: VMPL).
  uint32_t privilege_level = 0;

  bool operator==(const Claims&) const = default;
};

// The names of firmware parts of the TEEs in `kinds`, each once, in the order in which a TEE's
// documents list them. Today: fmc, boot_loader, tee, snp, microcode.
std::vector<std::string_view> TcbPartNames(std::span<const TeeKind> kinds);
// The names of platform settings that claims of any TEE may have. Today: smt, tsme, ecc,
// rapl_disabled, ciphertext_hiding, alias_check_complete, tio.
std::span<const std::string_view> PlatformNames();
// kInvalidArgument: `name` is none of PlatformNames(); the message lists them.
Status CheckPlatformName(std::string_view name);

}  // namespace locket::attest
