// How many confidential guests this machine has keys for at a time, as its kernel tells.
//
// The numbers: the misc controller's flat-keyed files (Linux,
// Documentation/admin-guide/cgroup-v2.rst, "Misc"): misc.capacity, in the root cgroup only, and
// misc.current (in the root since 6.6). KVM sets `sev_es` to the ASIDs that SEV-ES and SEV-SNP
// guests share, below the least one for plain SEV (arch/x86/kvm/svm/sev.c, sev_hardware_setup), and
// `tdx` to the HKIDs for guests (arch/x86/kvm/vmx/tdx.c, tdx_get_nr_guest_keyids); a guest that
// starts is charged one. Whether it is on: module parameters, which KVM corrects to what it found:
// kvm_amd.sev_snp (6.11 and later), kvm_intel.tdx (6.16 and later). A
// kvm_amd.ciphertext_hiding_asids that is not 0 is the number of ASIDs that SEV-SNP has for itself;
// the others are then SEV-ES' (Documentation/admin-guide/kernel-parameters.txt).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::device_plugin {

enum class Tee { kSnp, kTdx, kEmulated };

std::string_view Name(Tee tee);  // "snp", "tdx", "emulated"

struct TeeCount {
  uint64_t total = 0;                // guests at a time, at most kMaxGuests
  std::optional<uint64_t> in_use{};  // nothing: the kernel does not tell
  std::string note{};                // why it is 0, or what to know of it
};

// More than any machine has (an ASID or HKID has 16 bits at most); a list of so many devices still
// fits into one gRPC message.
inline constexpr uint64_t kMaxGuests = 65536;

// Name and number of each line of misc.capacity or misc.current.
using MiscCounts = std::map<std::string, uint64_t, std::less<>>;

// kDataLoss: not such a file; the message says in which line.
Result<MiscCounts> ParseMiscCounts(std::string_view text);

// What the kernel under `root` has for `tee`, kSnp or kTdx. No such TEE, or one that is off, is a
// total of 0 with a note. An error: the kernel's files cannot be read or make no sense.
Result<TeeCount> CountTee(Tee tee, const std::filesystem::path& root);

}  // namespace locket::device_plugin
